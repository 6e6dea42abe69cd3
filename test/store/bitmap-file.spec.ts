import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { BitmapFile } from '../../src/store/bitmap-file.ts';
import { tempFolder } from './temp-folder.ts';

describe('The bitmap of a partial', () => {
  it('has in its file what was marked, as soon as the mark resolves', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'bits');
    const bitmap = await BitmapFile.open(path, 12);
    await Promise.all([bitmap.mark(0), bitmap.mark(11)]);
    assert.deepEqual([...(await readFile(path))], [0x80, 0x10]);
    await bitmap.unmark(0);
    assert.deepEqual([...(await readFile(path))], [0x00, 0x10]);
    await bitmap.close();
  });

  it('has the same bits when it is opened again, however marks came together', async () => {
    const changes = fc.array(fc.tuple(fc.nat(9999), fc.boolean(), fc.boolean()), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(changes, async (changes) => {
        await using folder = await tempFolder();
        const path = join(folder.path, 'bits');
        const expected = new Set<number>();
        const bitmap = await BitmapFile.open(path, 10_000);
        const pending: Promise<void>[] = [];
        for (const [chunk, isMark, isAwaited] of changes) {
          if (isMark) expected.add(chunk);
          else expected.delete(chunk);
          const change = isMark ? bitmap.mark(chunk) : bitmap.unmark(chunk);
          if (isAwaited) await change;
          else pending.push(change);
        }
        await Promise.all(pending);
        await bitmap.close();
        const again = await BitmapFile.open(path, 10_000);
        const claims = again.claims();
        assert.equal(claims.count, expected.size);
        for (const chunk of expected) assert.ok(claims.has(chunk));
        await again.reset();
        await again.close();
        assert.ok((await readFile(path)).every((byte) => byte === 0));
      }),
      { numRuns: 50 },
    );
  });
});
