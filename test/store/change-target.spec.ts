import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { promises } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { ShoalError } from '../../src/errors.ts';
import { NodeIndex } from '../../src/store/node-index.ts';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import type { Store } from '../../src/store/store.ts';
import {
  bytesOf,
  CHUNK,
  killAsset,
  putNodes,
  readAll,
  remoteFile,
  writeChunks,
  type RemoteAsset,
} from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';

const KIB64 = 64 * 1024;

const firstSixty = Array.from({ length: 60 }, (_, n) => n);

const partialsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.shoal-part'));

/** An unfinished download of nine chunks, three of which are here. */
async function begun(store: Store, path: string): Promise<RemoteAsset> {
  const asset = await remoteFile(bytesOf(9 * CHUNK));
  await putNodes(store, asset);
  const before = await store.startDownload(asset.root, { path });
  await writeChunks(before, asset, [1, 2, 3]);
  await before.close();
  return asset;
}

describe('A change of target', () => {
  it('loses nothing where the new file system has no room', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 1);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(64 * KIB64), KIB64);
    await putNodes(store, asset);
    const target = join(folder.path, 'file');
    const before = await store.startDownload(asset.root, { path: target });
    await writeChunks(before, asset, firstSixty);
    await before.close();
    await assert.rejects(store.startDownload(asset.root, { path: join(mount.path, 'file') }), {
      code: 'ERR_NO_SPACE',
    });
    assert.equal((await store.get(asset.root))?.path, target);
    const after = await store.startDownload(asset.root, { path: target });
    assert.equal(after.have().count, 60);
    await after.close();
  });

  it('loses nothing where the copy is stopped half-way, and leaves nothing at the new target', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(64 * KIB64), KIB64);
    await putNodes(store, asset);
    const target = join(folder.path, 'file');
    const before = await store.startDownload(asset.root, { path: target });
    await writeChunks(before, asset, firstSixty);
    await before.close();
    const stop = new AbortController();
    let calls = 0;
    // As many are reported of the check; the copy comes after that.
    const onCheck = (): void => void (++calls === 80 && stop.abort());
    await assert.rejects(
      store.startDownload(asset.root, { path: join(mount.path, 'file'), signal: stop.signal, onCheck }),
      { name: 'AbortError' },
    );
    assert.deepEqual(await readdir(mount.path), []);
    const bitmaps = await readdir(join(folder.path, 'data', 'partials'));
    assert.deepEqual(bitmaps, [`${asset.root.toString()}.bits`]);
    const after = await store.startDownload(asset.root, { path: target });
    assert.equal(after.have().count, 60);
    await after.close();
  });

  it('deletes a copy that could not be finished, nor deleted, when it can be', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, 'file');
    const asset = await begun(store, target);
    const fails = async (): Promise<never> => {
      throw Object.assign(new Error('the disk fails'), { code: 'EIO', syscall: 'write' });
    };
    const { rm } = promises;
    const writing = mock.method(Partial.prototype, 'write', fails);
    const deleting = mock.method(promises, 'rm', async (...[path, options]: Parameters<typeof rm>) =>
      String(path).startsWith(mount.path) ? fails() : rm(path, options),
    );
    syncBuiltinESMExports();
    try {
      await assert.rejects(store.startDownload(asset.root, { path: join(mount.path, 'file') }), /disk fails/);
    } finally {
      writing.mock.restore();
      deleting.mock.restore();
      syncBuiltinESMExports();
    }
    assert.equal((await partialsIn(mount.path)).length, 1);
    const after = await store.startDownload(asset.root, { path: target });
    assert.equal(after.have().count, 3);
    await after.close();
    assert.deepEqual(await readdir(mount.path), []);
  });

  it('leaves nothing at the old target though what was there could not be deleted at first', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await begun(store, join(folder.path, 'file'));
    const { rename } = promises;
    const renaming = mock.method(promises, 'rename', async (from: string, to: string) => {
      if (from.endsWith('.next.bits')) throw Object.assign(new Error('the disk fails'), { code: 'EIO' });
      await rename(from, to);
    });
    syncBuiltinESMExports();
    const after = await store.startDownload(asset.root, { path: join(mount.path, 'file') });
    renaming.mock.restore();
    syncBuiltinESMExports();
    assert.equal((await partialsIn(folder.path)).length, 1);
    await writeChunks(after, asset);
    await after.finish();
    await after.close();
    assert.deepEqual(await partialsIn(folder.path), []);
  });

  it('loses nothing where the old disk can no longer be read', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, 'file');
    const asset = await begun(store, target);
    const real = Partial.prototype.read;
    Partial.prototype.read = async function (chunk, signal) {
      if (chunk === 2) throw new ShoalError('ERR_IO', 'the disk is gone');
      return real.call(this, chunk, signal);
    };
    try {
      await assert.rejects(store.startDownload(asset.root, { path: join(mount.path, 'file') }), {
        code: 'ERR_IO',
        message: /what was downloaded stays there/,
      });
    } finally {
      Partial.prototype.read = real;
    }
    assert.deepEqual(await readdir(mount.path), []);
    const after = await store.startDownload(asset.root, { path: target });
    assert.equal(after.have().count, 3);
    await after.close();
  });

  it('loses nothing where its record cannot be written, before the rename or after it', async () => {
    for (const failing of [1, 2]) {
      await using folder = await tempFolder();
      await using store = await openStore(join(folder.path, 'data'));
      const asset = await remoteFile(bytesOf(9 * CHUNK));
      await putNodes(store, asset);
      const before = await store.startDownload(asset.root, { path: join(folder.path, 'a') });
      await writeChunks(before, asset, [1, 2, 3]);
      await before.close();
      const real = NodeIndex.prototype.putRecord;
      let puts = 0;
      NodeIndex.prototype.putRecord = async function (root, entry) {
        if (++puts === failing) throw new Error('no more room');
        await real.call(this, root, entry);
      };
      try {
        await assert.rejects(
          store.startDownload(asset.root, { path: join(folder.path, 'b') }),
          /no more room/,
        );
      } finally {
        NodeIndex.prototype.putRecord = real;
      }
      const after = await store.startDownload(asset.root, { path: join(folder.path, 'b') });
      assert.equal(after.have().count, 3);
      await after.close();
      assert.equal((await partialsIn(folder.path)).length, 1);
    }
  });

  for (const puts of [0, 1, 2]) {
    it(`to another file system loses nothing where it is killed after ${puts} of its 3 records`, async function () {
      await using folder = await tempFolder();
      await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
      if (!mount) this.skip();
      const target = join(mount.path, 'b');
      const script = new URL('kill-mover.ts', import.meta.url).pathname;
      const { signal } = spawnSync(process.execPath, [script, folder.path, 'folder', String(puts), target]);
      assert.equal(signal, 'SIGKILL');
      await using store = await openStore(join(folder.path, 'data'));
      const asset = await killAsset('folder');
      const stored = await store.startDownload(asset.root, { path: target });
      assert.equal(stored.have().count, 60);
      assert.equal(await readAll(stored), 60);
      assert.deepEqual(await partialsIn(folder.path), []);
      assert.equal((await partialsIn(mount.path)).length, 1);
      const bitmaps = await readdir(join(folder.path, 'data', 'partials'));
      assert.deepEqual(bitmaps, [`${asset.root.toString()}.bits`]);
      await stored.close();
    });
  }

  for (const kind of ['file', 'folder'] as const) {
    for (const puts of [0, 1]) {
      it(`of a ${kind} loses nothing where it is killed after ${puts} of its 2 records`, async () => {
        await using folder = await tempFolder();
        const script = new URL('kill-mover.ts', import.meta.url).pathname;
        const { signal } = spawnSync(process.execPath, [script, folder.path, kind, String(puts)]);
        assert.equal(signal, 'SIGKILL');
        await using store = await openStore(join(folder.path, 'data'));
        const asset = await killAsset(kind);
        const stored = await store.startDownload(asset.root, { path: join(folder.path, 'b') });
        assert.equal(stored.have().count, 60);
        assert.equal(await readAll(stored), 60);
        assert.equal((await partialsIn(folder.path)).length, 1);
        await stored.close();
        await store.remove(asset.root);
        assert.deepEqual(await readdir(folder.path), ['data']);
      });
    }
  }
});
