import assert from 'node:assert/strict';
import { TransferBuffers } from '../../src/browser-store/transfer-buffers.ts';
import { bytesOf } from '../store/assets.ts';

describe('memory that goes to a worker and comes back', () => {
  it('is used again for what fits, and holds nothing but the bytes', () => {
    const buffers = new TransferBuffers();
    const first = buffers.copyOf(bytesOf(1000));
    buffers.give(first);
    const second = buffers.copyOf(bytesOf(900, 2));
    assert.equal(second.buffer, first.buffer);
    assert.deepEqual(second, bytesOf(900, 2));
    assert.notEqual(buffers.copyOf(bytesOf(900)).buffer, first.buffer);
  });

  it('is not used for what is too small or too large for it', () => {
    const buffers = new TransferBuffers();
    const first = buffers.copyOf(bytesOf(1000));
    buffers.give(first);
    assert.notEqual(buffers.copyOf(bytesOf(499)).buffer, first.buffer);
    assert.notEqual(buffers.copyOf(bytesOf(1001)).buffer, first.buffer);
    assert.equal(buffers.copyOf(bytesOf(500)).buffer, first.buffer);
  });

  it('is kept up to a bound', () => {
    const buffers = new TransferBuffers();
    const given = Array.from({ length: 20 }, () => buffers.copyOf(new Uint8Array(1 << 20)));
    for (const each of given) buffers.give(each);
    const before = new Set(given.map(({ buffer }) => buffer));
    const again = Array.from({ length: 20 }, () => buffers.copyOf(new Uint8Array(1 << 20)));
    assert.equal(again.filter(({ buffer }) => before.has(buffer)).length, 16);
  });
});
