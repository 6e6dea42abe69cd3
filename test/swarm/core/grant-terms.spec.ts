import assert from 'node:assert/strict';
import { windowOf } from '../../../src/swarm/core/grant-terms.ts';
import { Peer } from '../../../src/swarm/core/peer.ts';
import { Q } from './exchange-rig.ts';

/** A peer whose round trip is 100 ms and that took `bytes` in one. */
function takerOf(bytes: number): Peer {
  const peer = new Peer('peer', 0, 1);
  peer.measured(0, 100);
  if (bytes > 0) peer.deliveryRate.acked(100, bytes, peer.deliveryRate.sent(0, bytes, false));
  return peer;
}

describe('what may be under way to one peer', () => {
  it('grows with what the peer takes in', () => {
    const slow = windowOf(takerOf(4 * Q), Q, false);
    const fast = windowOf(takerOf(8 * Q), Q, false);
    // One and a half times what it takes in two round trips and 50 ms: 250 ms.
    assert.equal(fast - slow, 4 * Q * 1.5 * 2.5);
  });

  it('is little more than that of a node that downloads, so that no queue stands before slow downlinks', () => {
    assert.equal(windowOf(takerOf(0), Q, true), 2.5 * Q);
    assert.equal(windowOf(takerOf(0), Q, false), 13 * Q);
  });

  it('is two of the largest chunks at the least, so that one follows the other', () => {
    assert.equal(windowOf(takerOf(0), 16 * Q, true), 32 * Q);
  });

  it('is no more than it said it can take, by declining', () => {
    const peer = takerOf(4 * Q);
    peer.windowBytes = Q;
    assert.equal(windowOf(peer, Q, true), Q);
  });
});
