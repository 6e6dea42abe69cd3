import assert from 'node:assert/strict';
import { PeerClock } from '../../../src/swarm/core/peer-clock.ts';

describe("a peer's clock", () => {
  it('tells when an acknowledgement would have come, had it not waited', () => {
    const clock = new PeerClock();
    // 40 ms on the way at least; the peer's zero is 10 s after this node's.
    assert.equal(clock.toMine(11_040, 1000, 0), 11_040);
    assert.equal(clock.toMine(11_540, 1100, 0), 11_140);
    assert.equal(clock.toMine(11_640, 1600, 0), 11_640);
  });

  it('learns of a shorter way', () => {
    const clock = new PeerClock();
    assert.equal(clock.toMine(11_300, 1000, 0), 11_300);
    assert.equal(clock.toMine(12_040, 2000, 0), 12_040);
    assert.equal(clock.toMine(13_300, 3000, 0), 13_040);
  });

  it('forgets the way of long ago, though nothing came since: clocks drift apart', () => {
    const clock = new PeerClock();
    clock.toMine(1040, 1000, 0);
    // An hour later the peer's clock is 300 ms behind.
    assert.equal(clock.toMine(3_601_040, 3_600_700, 0), 3_601_040);
  });

  it('begins anew where something came before it was sent: a clock that stood still, or that of a liar', () => {
    const clock = new PeerClock();
    assert.equal(clock.toMine(11_040, 1000, 11_000), 11_040);
    // The peer's machine slept for a minute.
    assert.equal(clock.toMine(72_040, 2000, 72_000), 72_040);
    assert.equal(clock.toMine(72_540, 2100, 72_050), 72_140);
    // One that always says the same.
    for (const nowMs of [73_000, 74_000, 75_000]) assert.equal(clock.toMine(nowMs, 2100, nowMs - 40), nowMs);
  });

  it('says now where the peer says nothing, and never later than now', () => {
    const clock = new PeerClock();
    assert.equal(clock.toMine(500, undefined, 0), 500);
    clock.toMine(1000, 0, 0);
    assert.equal(clock.toMine(2000, 1_000_000, 0), 2000);
  });
});
