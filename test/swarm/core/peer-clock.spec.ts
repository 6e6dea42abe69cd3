import assert from 'node:assert/strict';
import { PeerClock } from '../../../src/swarm/core/peer-clock.ts';

describe("a peer's clock", () => {
  it('tells when an acknowledgement would have come, had it not waited', () => {
    const clock = new PeerClock();
    // 40 ms on the way at least; the peer's zero is 10 s after this node's.
    assert.equal(clock.toMine(11_040, 1000), 11_040);
    assert.equal(clock.toMine(11_540, 1100), 11_140);
    assert.equal(clock.toMine(11_640, 1600), 11_640);
  });

  it('learns of a shorter way', () => {
    const clock = new PeerClock();
    assert.equal(clock.toMine(11_300, 1000), 11_300);
    assert.equal(clock.toMine(12_040, 2000), 12_040);
    assert.equal(clock.toMine(13_300, 3000), 13_040);
  });

  it('forgets the way of long ago, though nothing came since: clocks drift apart', () => {
    const clock = new PeerClock();
    clock.toMine(1040, 1000);
    // An hour later the peer's clock is 300 ms behind.
    assert.equal(clock.toMine(3_601_040, 3_600_700), 3_601_040);
  });

  it('says now where the peer says nothing, and never later than now', () => {
    const clock = new PeerClock();
    assert.equal(clock.toMine(500, undefined), 500);
    clock.toMine(1000, 0);
    assert.equal(clock.toMine(2000, 1_000_000), 2000);
  });
});
