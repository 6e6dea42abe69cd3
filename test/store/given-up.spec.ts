import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { BitmapFile } from '../../src/store/bitmap-file.ts';
import { NodeIndex } from '../../src/store/node-index.ts';
import { Partial } from '../../src/store/partial.ts';
import { openStore } from '../../src/store/open-store.ts';
import { bytesOf, CHUNK, putNodes, readAll, remoteFile, writeChunks } from './assets.ts';
import { tempFolder } from './temp-folder.ts';

describe('A share that was given up', () => {
  for (const what of ['a path', 'content']) {
    it(`waits for nobody who hashes an unfinished download of the same, and leaves no nodes behind, of ${what}`, async () => {
      await using folder = await tempFolder();
      await using store = await openStore(join(folder.path, 'data'));
      const bytes = bytesOf(4 * CHUNK);
      const path = join(folder.path, 'original');
      await writeFile(path, bytes);
      const asset = await remoteFile(bytes);
      await putNodes(store, asset);
      const stored = await store.startDownload(asset.root, { path: join(folder.path, 'target') });
      await writeChunks(stored, asset, [1]);
      await stored.close();
      const hashed = Promise.withResolvers<number>();
      const hashing = mock.method(Partial.prototype, 'check', () => hashed.promise);
      const opening = store.open(asset.root);
      const stop = new AbortController();
      const nodesWritten = Promise.withResolvers<void>();
      const { putNodes: put } = NodeIndex.prototype;
      const putting = mock.method(
        NodeIndex.prototype,
        'putNodes',
        async function (this: NodeIndex, ...args: Parameters<typeof put>) {
          await put.apply(this, args);
          nodesWritten.resolve();
        },
      );
      const deleting = mock.method(NodeIndex.prototype, 'deleteNodes');
      try {
        const source = what === 'content' ? { content: once(bytes) } : path;
        const sharing = store.share(source, { chunkSize: CHUNK, signal: stop.signal });
        await nodesWritten.promise;
        stop.abort(new Error('stop'));
        await assert.rejects(sharing, /stop/);
        assert.equal(deleting.mock.callCount(), 1);
      } finally {
        for (const mocked of [hashing, putting, deleting]) mocked.mock.restore();
        hashed.resolve(0);
      }
      await (await opening)?.close();
      await (await store.open(asset.root))?.close();
    });
  }
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe('A download that was given up', () => {
  it('is not finished in the place of another that has begun since it was removed', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    await putNodes(store, asset);
    const removed = await store.startDownload(asset.root, { path: undefined });
    await writeChunks(removed, asset);
    await store.remove(asset.root);
    await putNodes(store, asset);
    const begun = await store.startDownload(asset.root, { path: undefined });
    await writeChunks(begun, asset, [1]);
    await assert.rejects(removed.read(0), { code: 'ERR_CLOSED' });
    await assert.rejects(removed.finish(), { code: 'ERR_INCOMPLETE' });
    await removed.close();
    assert.equal((await store.get(asset.root))?.state, 'partial');
    await writeChunks(begun, asset);
    await begun.finish();
    assert.equal(await readAll(begun), 4);
    await begun.close();
  });

  it('is not taken for what lies at its target where all files have the same number', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    await putNodes(store, asset);
    const target = join(folder.path, 'target');
    const stored = await store.startDownload(asset.root, { path: target });
    await writeChunks(stored, asset, [1]);
    await stored.close();
    await writeFile(target, 'of somebody else');
    const { lstat } = promises;
    const looking = mock.method(promises, 'lstat', async (path: string, options: { bigint: true }) =>
      Object.assign(await lstat(path, options), { ino: 0n, dev: 0n }),
    );
    try {
      syncBuiltinESMExports();
      const again = await store.open(asset.root);
      assert.equal(again?.have().count, 1);
      await again.close();
    } finally {
      looking.mock.restore();
      syncBuiltinESMExports();
    }
  });

  it('leaves nothing behind where it was aborted as it began', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    await putNodes(store, asset);
    const stop = new AbortController();
    const { path } = folder;
    const { open } = BitmapFile;
    const opening = mock.method(BitmapFile, 'open', async (...[file, size]: Parameters<typeof open>) => {
      // The bitmap is there, and the file is to be made.
      stop.abort(new Error('stop'));
      return open.call(BitmapFile, file, size);
    });
    const options = { path: join(path, 'target'), signal: stop.signal };
    await assert.rejects(store.startDownload(asset.root, options), /stop/);
    opening.mock.restore();
    await store.remove(asset.root);
    assert.deepEqual(await readdir(path), ['data']);
    assert.deepEqual(await readdir(join(path, 'data', 'partials')), []);
  });
});
