import assert from 'node:assert/strict';
import type { Core } from '../../../src/swarm/core/core.ts';
import { inboundRoom } from '../../../src/swarm/core/inbound-room.ts';
import type { Peer } from '../../../src/swarm/core/peer.ts';

const MIB = 1024 * 1024;

interface Way {
  links?: number;
  rttMs?: number;
  bytesPerSec?: number;
  inbound?: number;
  unstored?: number;
  max?: number;
}

const UNKNOWN = { serviceBytesPerSec: 0, lastServedAtMs: 0, requestedBytes: 0 };

/** MiB that may be asked of a peer, over such a way. */
function room(way: Way): number {
  const core = {
    settings: { maxInboundBytes: (way.max ?? 32) * MIB },
    peers: new Map(Array.from({ length: way.links ?? 1 }, (_, at) => [at, UNKNOWN])),
    nowMs: 60_000,
    inboundBytes: (way.inbound ?? 0) * MIB,
    unstoredBytes: (way.unstored ?? 0) * MIB,
  };
  const peer = { serviceBytesPerSec: way.bytesPerSec ?? 0, rttMs: way.rttMs ?? 1, requestedBytes: 0 };
  return inboundRoom(core as unknown as Core, peer as Peer) / MIB;
}

describe('The memory for chunks on their way', () => {
  it('is half of the most for one near peer, however fast it is, and all of it for many', () => {
    assert.equal(room({}), 18);
    assert.ok(room({ bytesPerSec: 400 * MIB }) < 19);
    assert.equal(room({ links: 8 }), 32);
    assert.equal(room({ links: 60 }), 32);
  });

  it('grows with what a long path delivers, up to the most', () => {
    assert.equal(room({ rttMs: 200, bytesPerSec: 20 * MIB }), 26);
    assert.equal(room({ rttMs: 200, bytesPerSec: 80 * MIB }), 32);
  });

  it('is less what is on its way, and twice what waits for the disk, which was on its way too', () => {
    assert.equal(room({ inbound: 10 }), 8);
    assert.equal(room({ inbound: 10, unstored: 6 }), 2);
    assert.equal(room({ max: 4, inbound: 1 }), 3);
  });

  describe('where some deliver far less than others', () => {
    const slow = { serviceBytesPerSec: MIB / 8, lastServedAtMs: 59_000, requestedBytes: MIB };
    const fast = { serviceBytesPerSec: 50 * MIB, lastServedAtMs: 59_000, requestedBytes: 0 };

    /** MiB that may be asked of the first of these neighbours. */
    function roomAmong(neighbours: Partial<Peer>[], nowMs = 60_000): number {
      let inboundBytes = 0;
      for (const { requestedBytes } of neighbours) inboundBytes += requestedBytes as number;
      const peers = new Map(neighbours.map((peer, at) => [at, { rttMs: 1, ...peer }]));
      const core = { settings: { maxInboundBytes: 32 * MIB }, peers, nowMs, inboundBytes, unstoredBytes: 0 };
      return inboundRoom(core as unknown as Core, peers.get(0) as Peer) / MIB;
    }
    const many = (count: number, peer: Partial<Peer>): Partial<Peer>[] => Array(count).fill(peer);

    it('is half of it for these together, as they hold it longest', () => {
      assert.equal(roomAmong([...many(24, slow), fast]), -8);
      assert.equal(roomAmong([...many(12, slow), fast]), 4);
      assert.equal(roomAmong([fast, ...many(24, slow)]), 8);
      assert.equal(roomAmong(many(24, slow)), 8);
      // The fast one has not delivered for a while.
      assert.equal(roomAmong([...many(24, slow), fast], 65_000), 8);
    });

    it('is one chunk at a time for who has delivered nothing yet, and there is some more for these', () => {
      const unknown = { ...UNKNOWN, requestedBytes: MIB };
      assert.equal(roomAmong(many(17, unknown)), 15);
      assert.equal(roomAmong(many(18, unknown)), 0);
      assert.equal(roomAmong([UNKNOWN, ...many(20, unknown)]), 12);
      assert.equal(roomAmong([UNKNOWN, ...many(32, unknown)]), 0);
      assert.equal(roomAmong([UNKNOWN, ...many(32, slow)]), 4);
      assert.equal(roomAmong([UNKNOWN, unknown, ...many(31, slow)]), 3);
      assert.equal(roomAmong([UNKNOWN, ...many(20, unknown), fast]), -4);
    });
  });
});
