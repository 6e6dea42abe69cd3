import assert from 'node:assert/strict';
import { ChunkBuffers } from '../../src/store/chunk-buffers.ts';

const SIZE = 256 * 1024;

describe('ChunkBuffers', () => {
  it('hands out what was given back, of that size only', () => {
    const buffers = new ChunkBuffers();
    const first = buffers.take(SIZE);
    buffers.give(first);
    assert.notEqual(buffers.take(2 * SIZE), first);
    assert.equal(buffers.take(SIZE), first);
  });

  it('never hands out the same memory twice at once', () => {
    const buffers = new ChunkBuffers();
    buffers.give(buffers.take(SIZE));
    const taken = new Set([buffers.take(SIZE), buffers.take(SIZE), buffers.take(SIZE)]);
    assert.equal(taken.size, 3);
    assert.equal(new Set([...taken].map((each) => each.buffer)).size, 3);
  });

  it('keeps a bounded amount, however much is given back', () => {
    const buffers = new ChunkBuffers();
    const given = Array.from({ length: 100 }, () => buffers.take(1 << 20));
    for (const each of given) buffers.give(each);
    const again = Array.from({ length: 100 }, () => buffers.take(1 << 20));
    assert.equal(again.filter((each) => given.includes(each)).length, 16);
  });

  it('keeps twice as much while some is in use, and no longer', () => {
    const buffers = new ChunkBuffers();
    const last = buffers.take(1 << 20);
    const given = Array.from({ length: 100 }, () => buffers.take(1 << 20));
    for (const each of given) buffers.give(each);
    const again = Array.from({ length: 100 }, () => buffers.take(1 << 20));
    assert.equal(again.filter((each) => given.includes(each)).length, 32);
    for (const each of [...again, last]) buffers.give(each);
    const final = Array.from({ length: 100 }, () => buffers.take(1 << 20));
    assert.equal(final.filter((each) => [...again, last].includes(each)).length, 16);
  });

  it('gives exactly the size that was asked for', () => {
    const buffers = new ChunkBuffers();
    for (const size of [1, 1000, SIZE, SIZE + 1]) assert.equal(buffers.take(size).byteLength, size);
  });
});
