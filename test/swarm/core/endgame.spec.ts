import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

/** A peer that sends one chunk in so many ms. */
function served(rig: Rig, peer: string, ms: number, have = 'xxxxx'): void {
  rig.join(peer, have).grants(peer, 1);
  const [chunk] = rig.asked(peer) as [number];
  rig.pass(ms).sends(peer, chunk).take();
}

describe('Exchange: the last requests', () => {
  it('move to a peer that answers sooner, the one first that has most before it', () => {
    const rig = new Rig().add('.....');
    served(rig, 'slow', 400);
    served(rig, 'fast', 200);
    rig.grants('slow', 2, 3 * Q);
    const inOrder = rig.asked('slow');
    assert.equal(inOrder.length, 3);
    rig.grants('fast', 2);
    assert.deepEqual(rig.asked('fast'), inOrder.slice(-1));
    const taken = rig.sent('cancel', 'slow').map(({ chunk }) => chunk);
    assert.deepEqual(taken, inOrder.slice(-1));
  });

  it('stay where the other would answer later', () => {
    const rig = new Rig().add('.....');
    served(rig, 'slow', 700);
    served(rig, 'fast', 200);
    rig.grants('fast', 2, 3 * Q).take();
    rig.grants('slow', 2, 3 * Q);
    assert.deepEqual(rig.asked('slow'), []);
    assert.equal(rig.sent('cancel', 'fast').length, 0);
  });

  it('do not move to a peer of which much comes at once, and then nothing for long', () => {
    const rig = new Rig()
      .add('......')
      .join('bursty', 'xxxxxx')
      .grants('bursty', 1, 4 * Q);
    const burst = rig.asked('bursty');
    assert.equal(burst.length, 4);
    rig.pass(1000);
    for (const chunk of burst) {
      rig.nowMs++;
      rig.sends('bursty', chunk);
    }
    served(rig, 'steady', 200, 'xxxxxx');
    rig.grants('steady', 2);
    assert.equal(rig.asked('steady').length, 1);
    rig.grants('bursty', 2);
    assert.equal(rig.sent('cancel', 'steady').length, 0);
  });

  it('move to a peer that is done seconds sooner though they have begun to come, and what comes twice is no fault', () => {
    const rig = new Rig().add('...');
    served(rig, 'slow', 8000, 'xxx');
    served(rig, 'fast', 200, 'xxx');
    rig.grants('slow', 2);
    const [chunk] = rig.asked('slow') as [number];
    const part = { type: 'data', peer: 'slow', asset: 1, chunk, bytes: Q / 4 } as const;
    rig.handle({ ...part, last: false }).take();
    rig.grants('fast', 2);
    assert.deepEqual(rig.asked('fast'), [chunk]);
    assert.equal(rig.sent('cancel', 'slow').length, 1);
    rig.pass(200).sends('fast', chunk);
    assert.equal(rig.exchange.stats(1)?.chunksWanted, 0);
    for (const last of [false, false, true]) rig.pass(1000).handle({ ...part, last });
    assert.deepEqual(rig.faults(), []);
  });

  it('stay where they have begun to come and little is won', () => {
    const rig = new Rig().add('...');
    served(rig, 'slow', 2000, 'xxx');
    served(rig, 'fast', 200, 'xxx');
    rig.grants('slow', 2);
    const [chunk] = rig.asked('slow') as [number];
    rig.handle({ type: 'data', peer: 'slow', asset: 1, chunk, bytes: Q / 4, last: false }).take();
    rig.grants('fast', 2);
    assert.deepEqual(rig.asked('fast'), []);
    assert.deepEqual(rig.sent('cancel', 'slow'), []);
  });
});
