import assert from 'node:assert/strict';
import { SILENT_MS } from '../../../src/swarm/core/constants.ts';
import { Q, Rig } from './exchange-rig.ts';

/** A downloader of four chunks; `silent` granted credit for all of them, and `good` holds them too. */
function askedOfSilent(): Rig {
  const rig = new Rig().add('....').join('silent', 'xxxx').join('good', 'xxxx');
  rig.take();
  rig.grants('silent', 1, 4 * Q);
  return rig;
}

function asked(rig: Rig, peer: string): number {
  const runs = rig.sent('request', peer).flatMap((request) => request.runs);
  return runs.reduce((sum, { count }) => sum + count, 0);
}

describe('Exchange: peers that never sent anything', () => {
  it('keep what they were asked for as long as they may have begun with it', () => {
    const rig = askedOfSilent();
    assert.equal(asked(rig, 'silent'), 4);
    rig.pass(SILENT_MS / 2).grants('good', 1);
    assert.equal(asked(rig, 'good'), 0);
    assert.equal(rig.sent('decline', 'good').length, 1);
  });

  it('lose it to one that has credit and nothing else to give, chunk by chunk, and keep their link', () => {
    const rig = askedOfSilent().pass(2 * SILENT_MS);
    rig.take();
    rig.grants('good', 1).grants('good', 2, 2 * Q);
    assert.equal(asked(rig, 'good'), 3);
    assert.equal(rig.sent('cancel', 'silent').length, 3);
    assert.deepEqual(rig.faults(), []);
  });

  it('keep it where the other has something else to give', () => {
    const rig = new Rig().add('....').join('silent', 'xx..').join('good', 'xxxx');
    rig.grants('silent', 1, 2 * Q).pass(2 * SILENT_MS);
    rig.take();
    rig.grants('good', 1, 2 * Q);
    assert.equal(asked(rig, 'good'), 2);
    assert.equal(rig.sent('cancel').length, 0);
  });

  it('keep it once something of it has come', () => {
    const rig = askedOfSilent();
    rig.handle({ type: 'data', peer: 'silent', asset: 1, chunk: 0, bytes: 1000, last: false });
    rig.pass(2 * SILENT_MS).take();
    rig.grants('good', 1, 4 * Q);
    assert.equal(rig.sent('cancel', 'silent').length, 0);
  });

  it('take nothing from each other', () => {
    const rig = askedOfSilent()
      .pass(2 * SILENT_MS)
      .join('other', 'xxxx');
    rig
      .grants('good', 1, 4 * Q)
      .pass(2 * SILENT_MS)
      .take();
    rig.grants('silent', 2, 4 * Q);
    assert.equal(asked(rig, 'silent'), 0);
  });

  it('still deliver what was taken from them: who sends it first counts, and nobody is blamed', () => {
    const rig = askedOfSilent().pass(2 * SILENT_MS);
    rig.grants('good', 1, 4 * Q).take();
    for (const chunk of [0, 1, 2, 3]) {
      rig.handle({ type: 'data', peer: 'silent', asset: 1, chunk, bytes: Q, last: true });
      rig.sends('good', chunk);
    }
    assert.deepEqual(rig.faults(), []);
    assert.equal(rig.exchange.stats(1)?.chunksHere, 4);
  });
});

describe('Exchange: a downlink that is slow', () => {
  it('gives a neighbour as long as others take, and does not call it a broken promise', () => {
    const rig = new Rig().add('........').join('a', 'xxxxxxxx').join('b', 'xxxxxxxx').grants('a', 1);
    const [chunk] = rig.asked('a') as [number];
    const part = { type: 'data', peer: 'a', asset: 1, chunk, bytes: Q / 4 } as const;
    for (const last of [false, false, false, true]) rig.pass(6000).handle({ ...part, last });
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk }).take();
    rig.grants('b', 1).pass(20_000);
    assert.deepEqual(rig.sent('cancel', 'b'), []);
    // Four times as long as it took the other one, and not for ever.
    assert.equal(rig.pass(80_000).sent('cancel', 'b').length, 1);
  });
});
