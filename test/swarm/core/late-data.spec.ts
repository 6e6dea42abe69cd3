import assert from 'node:assert/strict';
import { haveOf, Q, Rig } from './exchange-rig.ts';

/** The only chunk of the asset, from its only peer. */
const chunk = { peer: 'a', asset: 1, chunk: 0 } as const;

describe('Exchange: data that comes after a reject', () => {
  const asked = () => new Rig().add('.').join('a', 'x').grants('a', 1);

  for (const reason of ['missing', 'failed', 'cancelled'] as const) {
    it(`is no lie, once, as the reject may overtake it (${reason})`, () => {
      const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason });
      rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
      assert.deepEqual(rig.faults(), []);
      rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
      assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
    });
  }

  it('is a lie where there was no credit to send it for', () => {
    const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason: 'no-credit' });
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('is kept where the peer replaced what it shares, and left and joined for that', () => {
    const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason: 'missing' });
    rig.says('a', { type: 'leave', asset: 1 });
    rig.says('a', { type: 'join', asset: 1, have: haveOf('x'), reply: true });
    assert.ok(rig.exchange.keeps('a', 1, 0));
    rig.sends('a', 0);
    assert.equal(rig.exchange.stats(1)?.chunksHere, 1);
    assert.deepEqual(rig.faults(), []);
  });
});
