import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import type { Event } from '../../../src/swarm/core/events.ts';
import { decodeTraceLine, encodeTraceLine, type TraceLine } from '../../../src/swarm/core/trace-lines.ts';

function again(line: TraceLine): TraceLine {
  return decodeTraceLine(encodeTraceLine(line));
}

describe('a line of a trace', () => {
  it('keeps bitfields, sizes and times to the last bit', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.double({ noNaN: true, noDefaultInfinity: true }), (sizes, nowMs) => {
        const have = new Bitfield(sizes.length);
        sizes.forEach((size, n) => {
          if (size % 2 === 1) have.set(n);
        });
        const event: Event = {
          type: 'asset-added',
          asset: 3,
          sizes: Uint32Array.from(sizes),
          have,
          origin: false,
          wanted: 'all',
        };
        const line = again({ kind: 'event', nowMs, event });
        assert.ok(line.kind === 'event' && line.event.type === 'asset-added');
        assert.equal(line.nowMs === nowMs || (line.nowMs === 0 && nowMs === 0), true);
        assert.deepEqual(line.event.sizes, event.sizes);
        assert.deepEqual(line.event.have.bytes, have.bytes);
        assert.equal(line.event.have.count, have.count);
      }),
    );
  });

  it('keeps what a peer sent as it was, also where that is no bitfield', () => {
    const have = { kind: 'some', bits: Uint8Array.of(0, 255, 7) } as const;
    const message = { type: 'join', asset: 0, have, reply: true } as const;
    const line = { kind: 'event', nowMs: 1.5, event: { type: 'message', peer: 'p', message } } as const;
    assert.deepEqual(again(line), line);
  });

  it('writes the sizes of an asset of many equal chunks in a few characters', () => {
    const sizes = new Uint32Array(1_000_000).fill(65_536);
    sizes[999_999] = 17;
    const event: Event = {
      type: 'asset-added',
      asset: 1,
      sizes,
      have: new Bitfield(8),
      origin: true,
      wanted: 'none',
    };
    const text = encodeTraceLine({ kind: 'event', nowMs: 0, event });
    assert.ok(text.length < 200, `${text.length} characters`);
    const line = decodeTraceLine(text);
    assert.ok(line.kind === 'event' && line.event.type === 'asset-added');
    assert.deepEqual(line.event.sizes, sizes);
  });

  it('keeps configurations, actions and drained polls', () => {
    const config = { self: 'me', degree: 30, uploadBytesPerSec: Infinity };
    const lines: TraceLine[] = [
      { kind: 'start', version: 1, seed: 7, config },
      { kind: 'action', action: { type: 'close', peer: 'p', reason: 'enough' } },
      { kind: 'drained' },
    ];
    assert.deepEqual(lines.map(again), lines);
  });

  it('is refused where it is none', () => {
    for (const text of ['', '{', '7', '["x"]', '[]', 'null']) {
      assert.throws(() => decodeTraceLine(text), Error, text);
    }
  });
});
