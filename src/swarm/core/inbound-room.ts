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
 * Neighbours that deliver less than a quarter of what another one does, or nothing yet, have no more than half of the memory
 * together. Each of them holds its part for seconds, the fast one for milliseconds: thirty of 1 Mbit/s, which grant a chunk of
 * 1 MiB each, would have all of it, and a seed of 400 Mbit/s hear that there is no room (1 GiB: five times the bound and more).
 */
const FASTER = 4;
const OUTPACED_SHARE = 1 / 2;

/** Who has delivered so lately is counted on to do so again. */
const LATELY_MS = 5000;

/** Where less than this is asked of others there is nothing to divide. */
const LOOK_FROM = 1 / 4;

/**
 * Who has delivered nothing yet is asked for one chunk at a time where so much is asked of others; and where these have all of the
 * memory, there is so much more for such ones: nobody would ever know how fast they are. (From a quarter on it slowed
 * the start of mixed crowds, N = 100: 1.089 and 1.098 in place of 1.079 and 1.084, two seeds of four.)
 */
const UNKNOWN_FROM = 1 / 2;
const UNKNOWN_SHARE = 1 / 8;

/**
 * Bytes that may be asked of the peer now, as far as memory goes. What waits for the disk counts twice: a slow disk would
 * have all of this memory otherwise.
 */
export function inboundRoom(core: Core, peer: Peer): number {
  const { settings, peers, inboundBytes, unstoredBytes } = core;
  const pathBytes = (PATH_ROUND_TRIPS * peer.serviceBytesPerSec * peer.rttMs) / 1000;
  const most = Math.min(settings.maxInboundBytes, NEAR_BYTES + NEIGHBOUR_BYTES * peers.size + pathBytes);
  const room = most - inboundBytes - unstoredBytes;
  const ofOthers = inboundBytes - peer.requestedBytes;
  if (ofOthers <= LOOK_FROM * most) return room;
  const isUnknown = (other: Peer): boolean => other.serviceBytesPerSec === 0;
  if (isUnknown(peer) && ofOthers > UNKNOWN_FROM * most) {
    if (peer.requestedBytes > 0) return 0;
    const bytes = UNKNOWN_SHARE * most - requestedOf(core, isUnknown);
    if (bytes > 0 && unstoredBytes === 0) return Math.max(room, bytes);
  }
  const fastest = fastestOf(core);
  const isOutpaced = (other: Peer): boolean => FASTER * other.serviceBytesPerSec < fastest;
  return isOutpaced(peer) ? Math.min(room, OUTPACED_SHARE * most - requestedOf(core, isOutpaced)) : room;
}

/** What the fastest of those delivers that delivered lately. */
function fastestOf({ peers, nowMs }: Core): number {
  let fastest = 0;
  for (const { lastServedAtMs, serviceBytesPerSec } of peers.values()) {
    if (nowMs - lastServedAtMs < LATELY_MS) fastest = Math.max(fastest, serviceBytesPerSec);
  }
  return fastest;
}

function requestedOf({ peers }: Core, counts: (peer: Peer) => boolean): number {
  let bytes = 0;
  for (const peer of peers.values()) if (counts(peer)) bytes += peer.requestedBytes;
  return bytes;
}
