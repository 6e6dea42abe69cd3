import assert from 'node:assert/strict';
import { Bitfield, eachChange } from '../../../src/swarm/core/bitfield.ts';
import { bits } from './bits.ts';

describe('Bitfield', () => {
  it('counts what is set, most significant bit first', () => {
    const field = bits('x.......x.');
    assert.deepEqual([...field.bytes], [0x80, 0x80]);
    assert.equal(field.count, 2);
    assert.equal(field.set(8), false);
    assert.equal(field.clear(8), true);
    assert.equal(field.count, 1);
  });

  it('is full with exactly its own bits', () => {
    for (const size of [0, 1, 7, 8, 9, 1024]) {
      const full = Bitfield.full(size);
      assert.ok(full.isFull && full.count === size);
      assert.ok(Bitfield.fits(size, full.bytes));
    }
  });

  it('refuses bytes of another length or with stray bits', () => {
    assert.equal(Bitfield.fits(9, new Uint8Array(1)), false);
    assert.equal(Bitfield.fits(9, new Uint8Array([0, 0x40])), false);
    assert.equal(Bitfield.fits(9, new Uint8Array([0, 0x80])), true);
    assert.throws(() => new Bitfield(9, new Uint8Array([0, 0x40])), RangeError);
  });

  it('tells in what it differs from another', () => {
    const changes = (before: string | undefined, after: string | undefined): string[] => {
      const found: string[] = [];
      eachChange(
        before === undefined ? undefined : bits(before),
        after === undefined ? undefined : bits(after),
        (n) => void found.push(`+${n}`),
        (n) => void found.push(`-${n}`),
      );
      return found;
    };
    assert.deepEqual(changes('xx......x', '.x..x....'), ['-0', '+4', '-8']);
    assert.deepEqual(changes(undefined, 'x.......x'), ['+0', '+8']);
    assert.deepEqual(changes('x.......x', undefined), ['-0', '-8']);
    assert.deepEqual(changes(undefined, undefined), []);
  });

  it('holds nothing beyond its size', () => {
    assert.equal(bits('xx').has(2), false);
    assert.equal(bits('xx').has(-1), false);
    assert.throws(() => bits('xx').set(2), RangeError);
  });
});
