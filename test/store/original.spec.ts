import assert from 'node:assert/strict';
import { constants, promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { openStore } from '../../src/store/open-store.ts';
import { bytesOf, CHUNK, readAll, writeTree } from './assets.ts';
import { tempFolder } from './temp-folder.ts';

const WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;

describe('An original', () => {
  it('is opened for reading only, also when it is checked, served, and removed', async () => {
    await using folder = await tempFolder();
    const original = join(folder.path, 'original');
    await writeTree(original, { a: bytesOf(3 * CHUNK), 'b/c': bytesOf(5000) });
    const opened: [string, unknown][] = [];
    const { open } = promises;
    const opening = mock.method(promises, 'open', async (...args: Parameters<typeof open>) => {
      if (String(args[0]).startsWith(original)) opened.push([String(args[0]), args[1] ?? 'r']);
      return open(...args);
    });
    try {
      syncBuiltinESMExports();
      await using store = await openStore(join(folder.path, 'data'));
      const { root } = await store.share(original);
      const stored = (await store.open(root))!;
      await readAll(stored);
      await stored.close();
      await store.recheck(root);
      await store.remove(root);
    } finally {
      opening.mock.restore();
      syncBuiltinESMExports();
    }
    assert.ok(opened.length > 0);
    const writing = opened.filter(([, how]) => (typeof how === 'number' ? how & WRITING : how !== 'r'));
    assert.deepEqual(writing, []);
  });
});
