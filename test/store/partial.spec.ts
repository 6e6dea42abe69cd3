import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock } from 'node:test';
import { ChunkTable } from '../../src/integrity/chunk-table.ts';
import type { BitmapFile } from '../../src/store/bitmap-file.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import type { PlacedContent } from '../../src/store/placed-content.ts';
import { Seals } from '../../src/store/seals.ts';
import { MANY_FILES, type SmallFiles, type SmallRead } from '../../src/store/small-files.ts';
import {
  bytesOf,
  CHUNK,
  putNodes,
  remoteFile,
  remoteTree,
  type RemoteAsset,
  sameFile,
  writeChunks,
} from './assets.ts';
import { tempFolder } from './temp-folder.ts';

/** A download of many small files that are on no disk. */
function partialOf(
  { manifest }: RemoteAsset,
  small: { [Name in keyof SmallFiles]?: SmallFiles[Name] },
): Partial {
  return new Partial({
    manifest,
    base: '/partial',
    bitmap: { mark: async () => {} } as unknown as BitmapFile,
    pool: new HandlePool(),
    small: small as SmallFiles,
    seals: new Seals(),
    onBytesHere: () => {},
  });
}

async function partialIn(folder: string): Promise<string> {
  return (await readdir(folder)).find((name) => name.endsWith('.shoal-part')) as string;
}

describe('The files of a download', () => {
  it('are not moved from under who reads them', async () => {
    const files = Array.from({ length: MANY_FILES }, (_, i) => [`f${i}`, bytesOf(CHUNK, i)]);
    const asset = await remoteTree(Object.fromEntries(files));
    const read = Promise.withResolvers<SmallRead>();
    const stamp = { size: BigInt(CHUNK), mtimeNs: 1n };
    const partial = partialOf(asset, {
      write: async () => ({ before: stamp, after: stamp }),
      read: () => read.promise,
    });
    const chunk = await asset.chunk(0);
    await partial.write(0, chunk);

    const order: string[] = [];
    const reading = partial.read(0).then(() => order.push('read'));
    const moving = partial.pause(async () => void order.push('moved'));
    const later = partial.read(0).then(() => order.push('read after'));
    // All that could run by now has.
    await new Promise(setImmediate);
    read.resolve({ bytes: chunk.bytes, stamp });
    await Promise.all([reading, moving, later]);
    assert.deepEqual(order, ['read', 'moved', 'read after']);
  });

  it('are not written to while they are moved, and are read where they went', async () => {
    const files = Array.from({ length: MANY_FILES }, (_, i) => [`f${i}`, bytesOf(CHUNK, i)]);
    const asset = await remoteTree(Object.fromEntries(files));
    const stamp = { size: BigInt(CHUNK), mtimeNs: 1n };
    const order: string[] = [];
    const partial = partialOf(asset, {
      write: async () => (order.push('written'), { before: stamp, after: stamp }),
    });
    const chunk = await asset.chunk(0);
    const moved = Promise.withResolvers<void>();
    const moving = partial.pause(async () => {
      await moved.promise;
      order.push('moved');
      return { read: async () => chunk } as unknown as PlacedContent;
    });
    const writing = partial.write(0, chunk);
    const reading = partial.read(0);
    // All that could run by now has.
    await new Promise(setImmediate);
    moved.resolve();
    await Promise.all([moving, writing]);
    assert.deepEqual(order, ['moved', 'written']);
    assert.equal(await reading, chunk);
  });

  // Elsewhere the system does not tell where an open file is.
  const onlyOnLinux = process.platform === 'linux' ? it : it.skip;
  for (const [what, count] of [
    ['of a few', 1],
    ['of many', MANY_FILES],
  ] as const) {
    onlyOnLinux(`${what} are not written to where somebody else made their folder a link`, async () => {
      await using folder = await tempFolder();
      const names = Array.from({ length: count }, (_, i) => `f${i}`);
      const entries = Object.fromEntries(names.map((name, i) => [name, bytesOf(CHUNK, i)]));
      const asset = await remoteTree({ sub: { entries } });
      const mine = join(folder.path, 'mine');
      await mkdir(mine);
      for (const name of names) await writeFile(join(mine, name), 'mine');
      const dataDir = join(folder.path, 'data');
      const target = { path: join(folder.path, 'target') };
      {
        await using store = await openStore(dataDir);
        await putNodes(store, asset);
        const stored = await store.startDownload(asset.root, target);
        const sub = join(folder.path, await partialIn(folder.path), 'sub');
        await rename(sub, `${sub}-aside`);
        await symlink(mine, sub);
        await assert.rejects(writeChunks(stored, asset), { code: 'ERR_PARTIAL_TAMPERED' });
        await stored.close();
      }
      // It begins anew, and is made where it should be.
      await using store = await openStore(dataDir);
      const stored = await store.startDownload(asset.root, target);
      await writeChunks(stored, asset);
      await stored.finish();
      await stored.close();
      for (const name of names) assert.equal(await readFile(join(mine, name), 'utf8'), 'mine');
      assert.ok(await sameFile(join(target.path, 'sub', 'f0'), bytesOf(CHUNK, 0)));
    });
  }

  it('stay sparse where they are zeros, and have zeros where something else lay', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const size = 64 * 1024;
    const content = Buffer.concat([new Uint8Array(64 * size), bytesOf(size)]);
    const asset = await remoteFile(content, size);
    await putNodes(store, asset);
    const path = join(folder.path, 'file');
    const stored = await store.startDownload(asset.root, { path });
    const partial = await partialIn(folder.path);
    const handle = await open(join(folder.path, partial), 'r+');
    await handle.write(bytesOf(10), 0, 10, 7 * size);
    await handle.close();
    await writeChunks(stored, asset);
    await stored.finish();
    await stored.close();
    assert.ok(await sameFile(path, content));
    // Elsewhere a file may be sparse only where it is asked for.
    if (process.platform === 'linux') assert.ok((await stat(path)).blocks * 512 < 16 * size);
  });

  it('are not all looked up for each read of a chunk that lies everywhere', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(new Uint8Array(1000 * CHUNK));
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: join(folder.path, 'file') });
    await writeChunks(stored, asset);
    const { places } = ChunkTable.prototype;
    let most = 0;
    const looking = mock.method(
      ChunkTable.prototype,
      'places',
      function (this: ChunkTable, ...args: [number]) {
        const found = places.apply(this, args);
        most = Math.max(most, found.length);
        return found;
      },
    );
    try {
      await stored.read(0);
      assert.equal(most, 1);
      await stored.finish();
      await stored.read(0);
      assert.ok(most <= 8, `${most} places`);
    } finally {
      looking.mock.restore();
    }
    await stored.close();
  });
});
