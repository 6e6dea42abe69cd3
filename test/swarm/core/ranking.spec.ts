import assert from 'node:assert/strict';
import {
  compareRanks,
  hasGiftBudget,
  rankAtOrigin,
  rankInFleet,
  rankWhenComplete,
  rankWhileLeeching,
  type CompleteCandidate,
  type LeechingCandidate,
  type Rank,
} from '../../../src/swarm/core/ranking.ts';

const Q = 65_536;

function peer(
  sent: number,
  received: number,
  progress = 0.5,
  granted = 0,
): LeechingCandidate & CompleteCandidate {
  return {
    grantBytes: Q,
    sentBytes: sent * Q,
    grantedBytes: granted * Q,
    receivedBytes: received * Q,
    progress,
    ahead: 0,
    bytesPerMember: 0,
    usualBytes: 5 * Q,
  };
}

function isBefore(a: Rank, b: Rank): boolean {
  return compareRanks(a, b) < 0;
}

describe('the ranking of grants', () => {
  it('serves first the one it owes most, while it downloads', () => {
    assert.ok(isBefore(rankWhileLeeching(peer(3, 5), true), rankWhileLeeching(peer(5, 5), true)));
  });

  it('draws lots within a band of one chunk, whoever says to have less', () => {
    const less = rankWhileLeeching(peer(5, 4.5, 0.2), true);
    const more = rankWhileLeeching(peer(5, 4.9, 0.8), true);
    assert.equal(compareRanks(less, more), 0);
  });

  it('gives who has fallen behind more than it owes, but not who gave as much as others do', () => {
    const behind = (received: number): Rank =>
      rankWhileLeeching({ ...peer(received, received), ahead: 0.2 }, true);
    assert.equal(behind(1.5).band, -4);
    assert.equal(behind(0.5).band, -4);
    assert.equal(behind(2.6).band, -3); // of 5, as is usual: 0.54 of the four
    assert.equal(behind(3.5).band, 0);
    assert.equal(behind(9).band, 0);
  });

  it('gives who has fallen behind a quarter of the file at most, over all neighbours', () => {
    const behind = (members: number): Rank =>
      rankWhileLeeching({ ...peer(1, 1), ahead: 0.2, bytesPerMember: (1024 * Q) / members }, true);
    assert.equal(behind(8).band, -32);
    assert.equal(behind(32).band, -8);
    assert.equal(behind(500).band, -4);
  });

  it('gives a newcomer one gift before others of its band, as long as the budget lasts', () => {
    const newcomer = peer(0, 0);
    const known = peer(5, 5);
    assert.ok(isBefore(rankWhileLeeching(newcomer, true), rankWhileLeeching(known, true)));
    assert.ok(isBefore(rankWhileLeeching(known, false), rankWhileLeeching(newcomer, false)));
  });

  it('puts a newcomer that has had its gift behind, but does not shut it out', () => {
    const gifted = rankWhileLeeching(peer(1, 0), true);
    assert.deepEqual(gifted, { band: 2, place: 2 });
    assert.ok(isBefore(gifted, rankWhileLeeching(peer(9, 5), true)));
  });

  it('counts credit that is not used yet', () => {
    const granted = rankWhileLeeching(peer(5, 5, 0.5, 2), true);
    assert.ok(isBefore(rankWhileLeeching(peer(6, 5), true), granted));
  });

  it('serves who has least in a fleet, whoever gave what', () => {
    assert.ok(isBefore(rankInFleet(peer(9, 0, 0.2)), rankInFleet(peer(0, 9, 0.3))));
    assert.equal(compareRanks(rankInFleet(peer(9, 0)), rankInFleet(peer(0, 9))), 0);
  });

  it('allows one gift in twenty grants, and four from the start', () => {
    assert.ok(hasGiftBudget(3, 0));
    assert.ok(!hasGiftBudget(4, 0));
    assert.ok(hasGiftBudget(8, 100));
    assert.ok(!hasGiftBudget(9, 100));
  });

  it('serves the one who has least once complete, and takers last unless the grant is open', () => {
    const taker = peer(5, 0, 0.1);
    const giver = peer(5, 1, 0.9);
    assert.ok(isBefore(rankWhenComplete(giver, false), rankWhenComplete(taker, false)));
    assert.ok(isBefore(rankWhenComplete(taker, true), rankWhenComplete(giver, true)));
    assert.ok(isBefore(rankWhenComplete(peer(3, 0, 0.1), false), rankWhenComplete(giver, false)));
  });

  it('lets the origin serve in turn at first, then by progress, and always forwarders before hoarders', () => {
    const first = { unforwarded: 2, lastGrant: 4, progress: 0.9, isProven: true };
    const second = { unforwarded: 0, lastGrant: 9, progress: 0.1, isProven: true };
    const hoarder = { ...first, unforwarded: 3, lastGrant: 0 };
    assert.ok(isBefore(rankAtOrigin(first, true, false), rankAtOrigin(second, true, false)));
    assert.ok(isBefore(rankAtOrigin(second, false, false), rankAtOrigin(first, false, false)));
    assert.ok(isBefore(rankAtOrigin(first, true, false), rankAtOrigin(hoarder, true, false)));
  });

  it('lets the origin serve those last who never passed on anything, after its first pass, but for open grants', () => {
    const giver = { unforwarded: 0, lastGrant: 9, progress: 0.9, isProven: true };
    const taker = { unforwarded: 0, lastGrant: 4, progress: 0.1, isProven: false };
    const other = { ...taker, lastGrant: 3, progress: 0.2 };
    assert.ok(isBefore(rankAtOrigin(giver, false, false), rankAtOrigin(taker, false, false)));
    assert.ok(isBefore(rankAtOrigin(other, false, false), rankAtOrigin(taker, false, false)), 'in turn');
    assert.ok(isBefore(rankAtOrigin(taker, false, true), rankAtOrigin(giver, false, true)), 'an open grant');
    assert.ok(isBefore(rankAtOrigin(taker, true, false), rankAtOrigin(giver, true, false)), 'the first pass');
  });
});
