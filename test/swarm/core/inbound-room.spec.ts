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

/** MiB that may be asked of a peer, over such a way. */
function room(way: Way): number {
  const core = {
    settings: { maxInboundBytes: (way.max ?? 32) * MIB },
    peers: { size: way.links ?? 1 },
    inboundBytes: (way.inbound ?? 0) * MIB,
    unstoredBytes: (way.unstored ?? 0) * MIB,
  };
  const peer = { serviceBytesPerSec: way.bytesPerSec ?? 0, rttMs: way.rttMs ?? 1 };
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
});
