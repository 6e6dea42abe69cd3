import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf, CHUNK, putNodes, readAll, remoteFile, writeChunks, writeTree } from './assets.ts';
import { tempFolder } from './temp-folder.ts';

async function setUp(): Promise<{ path: string; store: Store } & AsyncDisposable> {
  const folder = await tempFolder();
  const store = await openStore(join(folder.path, 'data'));
  return {
    path: folder.path,
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const touch = (path: string): Promise<void> => utimes(path, 1_000_000_000, 1_000_000_000);

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
}

describe('Rechecking a shared asset', () => {
  it('has it served again where only times have changed, by whoever had it open too', async () => {
    await using t = await setUp();
    const tree = join(t.path, 'tree');
    await writeTree(tree, { a: bytesOf(3 * CHUNK), 'sub/b': bytesOf(9 * CHUNK, 2), one: bytesOf(6) });
    const { root } = await t.store.share(tree, { chunkSize: CHUNK });
    const held = (await t.store.open(root))!;
    for (const name of ['a', 'sub/b', 'one']) await touch(join(tree, name));
    await assert.rejects(t.store.open(root), { code: 'ERR_FILE_CHANGED' });
    await assert.rejects(held.read(0), { code: 'ERR_FILE_CHANGED' });
    const right = { path: tree, bytesGood: 12 * CHUNK + 6, bytesBad: 0, problems: [] };
    assert.deepEqual(await t.store.recheck(root), { ...right, isRenewed: true });
    assert.deepEqual(await t.store.recheck(root), { ...right, isRenewed: false });
    assert.equal(await readAll(held), 13);
    await held.close();
    const again = (await t.store.open(root))!;
    assert.equal(await readAll(again), 13);
    await again.close();
  });

  it('counts the bytes that differ, names each file, and keeps refusing to serve it', async () => {
    await using t = await setUp();
    const tree = join(t.path, 'tree');
    await writeTree(tree, {
      a: bytesOf(3 * CHUNK),
      b: bytesOf(9 * CHUNK, 2),
      c: bytesOf(2 * CHUNK, 3),
      longer: bytesOf(CHUNK, 4),
    });
    const { root } = await t.store.share(tree, { chunkSize: CHUNK });
    await touch(join(tree, 'a'));
    await flipByte(join(tree, 'b'), 5);
    await flipByte(join(tree, 'b'), 4 * CHUNK);
    await rm(join(tree, 'c'));
    await appendFile(join(tree, 'longer'), 'x');
    const found = (await t.store.recheck(root))!;
    assert.deepEqual(
      [found.bytesGood, found.bytesBad, found.isRenewed],
      [(3 + 7 + 1) * CHUNK, (2 + 2) * CHUNK, false],
    );
    assert.deepEqual(
      found.problems.map((problem) => problem.slice(tree.length)).sort(),
      ['b', 'c', 'longer'].map(
        (name) => `/${name} is no longer what was shared; share it again to publish what it is now`,
      ),
    );
    await assert.rejects(t.store.open(root), { code: 'ERR_FILE_CHANGED' });
  });

  it('finds damage that left size and time as they were', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(9 * CHUNK));
    await touch(path);
    const { root } = await t.store.share(path, { chunkSize: CHUNK });
    await flipByte(path, 0);
    await touch(path);
    const found = (await t.store.recheck(root))!;
    assert.deepEqual([found.bytesGood, found.bytesBad], [8 * CHUNK, CHUNK]);
    assert.match(found.problems.join(), /file is no longer what was shared/);
  });

  it('looks at each copy of content that recurs', async () => {
    await using t = await setUp();
    const tree = join(t.path, 'tree');
    await writeTree(tree, { one: bytesOf(4 * CHUNK), two: bytesOf(4 * CHUNK) });
    const { root } = await t.store.share(tree, { chunkSize: CHUNK });
    await flipByte(join(tree, 'two'), 0);
    const found = (await t.store.recheck(root))!;
    assert.deepEqual([found.bytesGood, found.bytesBad, found.problems.length], [3 * CHUNK, CHUNK, 1]);
    assert.match(found.problems.join(), /two/);
  });

  it('takes the newest copy that is there', async () => {
    await using t = await setUp();
    const [one, two] = [join(t.path, 'one'), join(t.path, 'two')];
    for (const path of [one, two]) await writeFile(path, bytesOf(4 * CHUNK));
    const { root } = await t.store.share(one, { chunkSize: CHUNK });
    await t.store.share(two, { chunkSize: CHUNK });
    assert.equal((await t.store.recheck(root))?.path, two);
    await rm(two);
    await touch(one);
    const found = (await t.store.recheck(root))!;
    assert.deepEqual([found.path, found.isRenewed], [one, true]);
    await rm(one);
    const gone = (await t.store.recheck(root))!;
    assert.deepEqual([gone.path, gone.bytesGood, gone.bytesBad], [two, 0, 4 * CHUNK]);
    assert.match(gone.problems.join(), /two is no longer/);
  });
});

describe('Rechecking an unfinished download', () => {
  it('counts damage exactly, open or not, and forgets the damaged chunks', async () => {
    await using t = await setUp();
    const asset = await remoteFile(bytesOf(9 * CHUNK + 100));
    await putNodes(t.store, asset);
    const stored = await t.store.startDownload(asset.root, { path: join(t.path, 'file') });
    await writeChunks(stored, asset, [0, 1, 2, 9]);
    const partial = join(
      t.path,
      (await readdir(t.path)).find((name) => name.endsWith('.shoal-part'))!,
    );
    await flipByte(partial, 9 * CHUNK);
    const open = (await t.store.recheck(asset.root))!;
    assert.deepEqual([open.bytesGood, open.bytesBad], [3 * CHUNK, 100]);
    assert.ok(open.problems.join().includes(partial));
    assert.equal(stored.have().count, 3);
    await stored.close();
    await flipByte(partial, 0);
    const closed = (await t.store.recheck(asset.root))!;
    assert.deepEqual([closed.bytesGood, closed.bytesBad], [2 * CHUNK, CHUNK]);
    assert.deepEqual((await t.store.recheck(asset.root))!.problems, []);
  });
});
