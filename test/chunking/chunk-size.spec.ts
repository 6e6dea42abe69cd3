import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  checkChunkSize,
  chunkSizeFor,
  MAX_CHUNK_SIZE,
  MIN_CHUNK_SIZE,
} from '../../src/chunking/chunk-size.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('chunkSizeFor', () => {
  const table: [bytes: number, chunk: number][] = [
    [0, 64 * KIB],
    [1, 64 * KIB],
    [64 * MIB, 64 * KIB],
    [64 * MIB + 1, 128 * KIB],
    [128 * MIB, 128 * KIB],
    [128 * MIB + 1, 256 * KIB],
    [512 * MIB, 512 * KIB],
    [512 * MIB + 1, MIB],
    [1024 * MIB, MIB],
    [2 ** 50, MIB],
  ];
  for (const [bytes, chunk] of table) {
    it(`gives a file of ${bytes} bytes chunks of ${chunk}`, () => {
      assert.equal(chunkSizeFor(bytes), chunk);
    });
  }

  it('is the power of two at or above a 1,024th of the file, between 64 KiB and 1 MiB', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 }), (bytes) => {
        const powerOfTwo = 2 ** Math.ceil(Math.log2(Math.max(bytes / 1024, 1)));
        assert.equal(chunkSizeFor(bytes), Math.min(Math.max(powerOfTwo, 64 * KIB), MIB));
      }),
    );
  });
});

describe('checkChunkSize', () => {
  it('takes powers of two from 1 KiB to 1 MiB', () => {
    for (let size = MIN_CHUNK_SIZE; size <= MAX_CHUNK_SIZE; size *= 2)
      assert.equal(checkChunkSize(size), size);
  });

  for (const size of [0, -1024, 1, 512, 1000, 1025, 3 * KIB, 2 * MIB, 1.5, Number.NaN, Infinity]) {
    it(`refuses ${size}`, () => {
      assert.throws(() => checkChunkSize(size), { code: 'ERR_CHUNK_SIZE', fault: 'local' });
    });
  }

  it('refuses the text of a number, with which cutting would never end', () => {
    const text = '65536' as unknown as number;
    assert.throws(() => checkChunkSize(text), { code: 'ERR_CHUNK_SIZE', message: /"65536" \(string\)/ });
  });
});
