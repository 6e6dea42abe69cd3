import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ChunkPicker } from '../../../src/swarm/core/chunk-picker.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { bits } from './bits.ts';

const any = () => true;

/** A picker of chunks with these availabilities (digits); all are pickable. */
function pickerOf(availability: string, seed = 1): ChunkPicker {
  const picker = new ChunkPicker(availability.length, seededRng(seed));
  picker.addAll([...availability].map((_, chunk) => chunk));
  [...availability].forEach((digit, chunk) => {
    for (let i = 0; i < Number(digit); i++) picker.gain(chunk);
  });
  picker.checkInvariants();
  return picker;
}

describe('ChunkPicker', () => {
  it('picks the rarest chunk first', () => {
    const picker = pickerOf('32154');
    const order: number[] = [];
    for (let chunk = picker.pick(bits('xxxxx'), any); chunk >= 0; chunk = picker.pick(bits('xxxxx'), any)) {
      order.push(chunk);
      picker.remove(chunk);
    }
    assert.deepEqual(order, [2, 1, 0, 4, 3]);
  });

  it('picks only what the peer holds and the caller accepts', () => {
    const picker = pickerOf('11223');
    assert.equal(picker.pick(bits('....x'), any), 4);
    assert.equal(
      picker.pick(bits('..xx.'), (chunk) => chunk !== 2),
      3,
    );
    assert.equal(picker.pick(bits('.....'), any), -1);
  });

  it('draws ties by lot, all with about the same chance', () => {
    const counts = [0, 0, 0, 0];
    const rng = seededRng(5);
    for (let run = 0; run < 4000; run++) {
      const picker = new ChunkPicker(4, rng);
      picker.addAll([0, 1, 2, 3]);
      const chunk = picker.pick(bits('xxx.'), any);
      counts[chunk] = (counts[chunk] as number) + 1;
    }
    assert.equal(counts[3], 0);
    for (const count of counts.slice(0, 3)) assert.ok(count > 1100 && count < 1600, `${counts}`);
  });

  it('follows availability up and down, also of chunks that are not pickable', () => {
    const picker = pickerOf('22');
    picker.remove(0);
    picker.lose(0);
    picker.lose(0);
    picker.add(0);
    assert.equal(picker.pick(bits('xx'), any), 0);
    picker.gain(0);
    picker.gain(0);
    picker.gain(0);
    assert.equal(picker.pick(bits('xx'), any), 1);
    assert.throws(() => pickerOf('0').lose(0), RangeError);
  });

  it('keeps its buckets in order through any sequence of changes', () => {
    const step = fc.record({ what: fc.nat(3), chunk: fc.nat(15) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
        const picker = new ChunkPicker(16, seededRng(seed));
        for (const { what, chunk } of steps) {
          if (what === 0) picker.add(chunk);
          else if (what === 1) picker.remove(chunk);
          else if (what === 2) picker.gain(chunk);
          else if (picker.availability(chunk) > 0) picker.lose(chunk);
          picker.checkInvariants();
        }
        let best = Infinity;
        for (let chunk = 0; chunk < 16; chunk++) {
          if (picker.isPickable(chunk)) best = Math.min(best, picker.availability(chunk));
        }
        const picked = picker.pick(bits('x'.repeat(16)), any);
        assert.equal(picked < 0 ? Infinity : picker.availability(picked), best);
      }),
    );
  });
});
