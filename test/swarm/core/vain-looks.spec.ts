import assert from 'node:assert/strict';
import { ChunkPicker } from '../../../src/swarm/core/chunk-picker.ts';
import { LOOKS_BURST, LOOKS_PER_SEC, SILENT_MS } from '../../../src/swarm/core/constants.ts';
import { Q, Rig } from './exchange-rig.ts';

const CHUNKS = 65_536;

describe('Exchange: credit with which nothing can be asked for', () => {
  const pick = Object.getOwnPropertyDescriptor(ChunkPicker.prototype, 'pick')!;
  let looks = 0;
  beforeEach(() => {
    looks = 0;
    ChunkPicker.prototype.pick = function (...args) {
      looks++;
      return (pick.value as ChunkPicker['pick']).apply(this, args);
    };
  });
  afterEach(() => void Object.defineProperty(ChunkPicker.prototype, 'pick', pick));

  /** A downloader of many chunks; `doubted` was asked for some and sent nothing, and `good` has all but the last three, of which one is left. */
  function doubtful(): Rig {
    const rig = new Rig({ firstGrantBytes: Q }).add('.'.repeat(CHUNKS));
    rig.join('doubted', 'x'.repeat(CHUNKS)).join('good', 'x'.repeat(CHUNKS - 3) + '...');
    rig
      .grants('doubted', 1, 2 * Q)
      .pass(2 * SILENT_MS)
      .grants('good', 1);
    rig.take();
    return rig;
  }

  it('costs no more looks at all the chunks than are allowed, however much comes', () => {
    const rig = doubtful();
    // Once what it alone has is asked for.
    rig.grants('doubted', 2).grants('doubted', 3);
    looks = 0;
    const flood = (from: number): void => {
      for (let id = from; id < from + 40; id++) rig.grants('doubted', id);
    };
    flood(10);
    assert.ok(looks > 1 && looks <= LOOKS_BURST / CHUNKS + 2, String(looks));
    looks = 0;
    rig.pass(1000);
    looks = 0;
    flood(100);
    assert.ok(looks > 1 && looks <= LOOKS_PER_SEC / CHUNKS + 2, String(looks));
    assert.equal(rig.sent('decline', 'doubted').at(-1)?.reason, 'busy');
    assert.deepEqual(rig.faults(), []);
  });

  it('is looked at again a moment later, so that a peer that alone has a chunk is asked for it', () => {
    const rig = doubtful();
    rig.says('doubted', { type: 'join', asset: 1, have: { kind: 'none' }, reply: false });
    for (let id = 10; id < 300; id++) rig.grants('doubted', id);
    rig.pass(1000);
    rig.says('doubted', { type: 'have', asset: 1, chunks: [CHUNKS - 3, CHUNKS - 2, CHUNKS - 1] }).take();
    rig.grants('doubted', 500);
    assert.deepEqual(
      rig.asked('doubted').map((chunk) => chunk >= CHUNKS - 3),
      [true],
    );
  });
});
