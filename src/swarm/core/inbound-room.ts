import type { Core } from './core.ts';
import type { Peer } from './peer.ts';

/**
 * So much on its way keeps a link of a short path busy, and two chunks of each neighbour those of a crowd. All of
 * `maxInboundBytes` is for long paths: with all of it a receiver of 16 GiB took 45 MB more.
 */
const NEAR_BYTES = 16 << 20;
const NEIGHBOUR_BYTES = 2 << 20;

/** A path is filled by what it delivers in a round trip; twice that, so that what it delivers can grow. */
const PATH_ROUND_TRIPS = 2;

/**
 * Bytes that may be asked of the peer now, as far as memory goes. What waits for the disk counts twice: a slow disk would
 * have all of this memory otherwise.
 */
export function inboundRoom({ settings, peers, inboundBytes, unstoredBytes }: Core, peer: Peer): number {
  const pathBytes = (PATH_ROUND_TRIPS * peer.serviceBytesPerSec * peer.rttMs) / 1000;
  const most = NEAR_BYTES + NEIGHBOUR_BYTES * peers.size + pathBytes;
  return Math.min(settings.maxInboundBytes, most) - inboundBytes - unstoredBytes;
}
