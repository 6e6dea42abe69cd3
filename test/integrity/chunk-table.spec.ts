import assert from 'node:assert/strict';
import { ChunkTable } from '../../src/integrity/chunk-table.ts';
import { sha256 } from '../../src/integrity/sha256.ts';

describe('the table of an asset’s chunks', () => {
  it('finds each of many digests that differ in the highest bits of their words alone', () => {
    const count = 400_000;
    const digests = new Uint8Array(count * 32);
    for (let n = 0; n < count; n++)
      for (let word = 0; word < 3; word++) digests[n * 32 + word * 4 + 3] = n >> (word * 8);
    const table = new ChunkTable(sha256(new Uint8Array(1)));
    // Where they share a few slots this takes some ten minutes.
    for (let n = 0; n < count; n++) assert.equal(table.add(digests, n * 32, 1, 0, n), n);
    for (let n = 0; n < count; n += 1000) assert.equal(table.add(digests, n * 32, 1, 1, n), n);
    assert.equal(table.count, count);
  });
});
