import assert from 'node:assert/strict';
import { framesOf } from '../../../src/swarm/peer-link.ts';

function lengths(bytes: number, max?: number): [number, number][] {
  return [...framesOf(new Uint8Array(bytes), max)].map(([offset, piece]) => [offset, piece.byteLength]);
}

describe('frames of a payload', () => {
  it('are no longer than the peer takes', () => {
    assert.deepEqual(lengths(5000, 2000), [
      [0, 2000],
      [2000, 2000],
      [4000, 1000],
    ]);
  });

  it('are one where it fits, where the peer said nothing, and where there is nothing', () => {
    assert.deepEqual(lengths(2000, 2000), [[0, 2000]]);
    assert.deepEqual(lengths(2000), [[0, 2000]]);
    assert.deepEqual(lengths(2000, 0), [[0, 2000]]);
    assert.deepEqual(lengths(0, 2000), [[0, 0]]);
  });

  it('are never so short that headers would be most of them', () => {
    assert.deepEqual(lengths(2048, 1), [
      [0, 1024],
      [1024, 1024],
    ]);
  });
});
