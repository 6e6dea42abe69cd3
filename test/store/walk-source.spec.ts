import assert from 'node:assert/strict';
import { mkdir, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importTree, type SourceEntry } from '../../src/chunking/import-tree.ts';
import { FileWorkers } from '../../src/store/file-workers.ts';
import { SourceWalk } from '../../src/store/walk-source.ts';
import { tempFolder } from './temp-folder.ts';

/** Fills a folder. What is in it has the same time wherever it lies: else it would count as changed anyway. */
async function fill(folder: string, names: readonly string[], bytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    await writeFile(join(folder, name), 'x');
    await truncate(join(folder, name), bytes);
    await utimes(join(folder, name), 1, 1);
  }
}

const MANY = Array.from({ length: 300 }, (_, n) => `file ${n}`);

describe('a folder that is shared while somebody else writes into it', () => {
  for (const [what, names, bytes] of [
    ['a file', ['one'], 5],
    ['many small files', MANY, 5],
    ['a large file', ['large'], 256 << 20],
  ] as const) {
    it(`gives ${what} of nowhere else, where a folder became a link on the way`, async function () {
      // Only Linux tells where an open file is.
      if (process.platform !== 'linux') return this.skip();
      await using temp = await tempFolder();
      const base = join(temp.path, 'shared');
      const secret = join(temp.path, 'secret');
      await fill(join(base, 'sub'), names, bytes);
      await fill(secret, names, bytes);
      await using workers = new FileWorkers();
      const root = await new SourceWalk({ isThisFolder: () => false }, base, workers, undefined).root();
      assert.ok(root.type === 'directory');
      const children: SourceEntry[] = [];
      for await (const child of root.children()) children.push(child);
      await rename(join(base, 'sub'), join(temp.path, 'away'));
      await symlink(secret, join(base, 'sub'));
      const given = async function* (): AsyncGenerator<SourceEntry> {
        yield* children;
      };
      const swapped: SourceEntry = { ...root, children: given };
      await assert.rejects(importTree(swapped, { onNode: () => {} }), { code: 'ERR_FILE_CHANGED' });
    });
  }

  it('is shared as ever where a link leads to it', async () => {
    await using temp = await tempFolder();
    await fill(join(temp.path, 'real', 'shared', 'sub'), MANY, 5);
    await symlink('real', join(temp.path, 'link'));
    await using workers = new FileWorkers();
    const cids: string[] = [];
    for (const way of ['real', 'link']) {
      const base = join(temp.path, way, 'shared');
      const root = await new SourceWalk({ isThisFolder: () => false }, base, workers, undefined).root();
      cids.push((await importTree(root, { onNode: () => {} })).cid.toString());
    }
    assert.equal(cids[0], cids[1]);
  });
});
