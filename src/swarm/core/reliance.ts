import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import {
  FIRST_TRUST_BYTES,
  FIRST_TRUST_CHUNKS,
  LONGEST_DECLINE_MS,
  MIN_GRANT_BYTES,
  MIN_REISSUE_MS,
  REISSUE_FACTOR,
  SILENT_MS,
  SILENT_ROUND_TRIPS,
  TRUST_GROWTH,
  UNKNOWN_REISSUE_MS,
} from './constants.ts';
import type { Core } from './core.ts';
import type { Message } from './messages.ts';
import type { Peer } from './peer.ts';

type GrantMessage = Extract<Message, { type: 'grant' }>;

/** Promises broken in a row after which a peer gets but one chunk at a time, while more than so many are to be had. */
const DOUBTED = 2;
const TRIED_WITH = 32;

/** A peer whose credit was declined gives some again after five seconds at the latest ({@link LONGEST_DECLINE_MS}). */
const CREDIT_MS = LONGEST_DECLINE_MS + 1000;

/** Weight of the newest sample in a peer's smoothed service time and rate. */
const SMOOTHING = 0.25;

/** Bytes that may be asked of the peer at once. */
export function trustOf(peer: Peer): number {
  if (peer.trustBytes > 0) return peer.trustBytes;
  let chunk = 0;
  for (const { swarm } of peer.memberships.values()) chunk = Math.max(chunk, swarm.maxChunkBytes);
  return Math.max(FIRST_TRUST_CHUNKS * chunk, FIRST_TRUST_BYTES);
}

/**
 * A peer that has not failed since it last delivered holds the chunk too, and this one failed to send it, or failed so
 * often that it gets but one chunk at a time to show itself by, and none of the last ones.
 */
export function isBetterElsewhere(core: Core, peer: Peer, swarm: AssetSwarm, chunk: number): boolean {
  const isTrusted = peer.conduct.broken < DOUBTED && !isSilent(core, peer);
  const mayTry = isTrusted || (peer.requestedBytes === 0 && swarm.picker.count > TRIED_WITH);
  const isDoubted = !mayTry || (peer.lapses > 0 && swarm.reissues.has(chunk));
  return isDoubted && isElsewhere(peer, swarm, chunk, core.nowMs);
}

/** It has never sent anything, and was asked long enough ago to have begun: what others hold is safer with them. */
export function isSilent({ nowMs, downlinkQueue }: Core, peer: Peer): boolean {
  if (peer.serviceMs > 0) return false;
  if (peer.lapses > 0) return true;
  const oldest = peer.requests.values().next().value;
  if (!oldest || peer.lastDataAtMs >= oldest.requestedAtMs) return false;
  const waitMs = SILENT_MS + SILENT_ROUND_TRIPS * peer.rttMs + downlinkQueue.aheadMs(nowMs, peer);
  return nowMs - oldest.requestedAtMs >= waitMs;
}

/** Another peer, which gives credit for the asset and has not failed since it last delivered, has the chunk. */
export function isElsewhere(peer: Peer, swarm: AssetSwarm, chunk: number, nowMs: number): boolean {
  for (const { peer: other, have, creditAtMs } of swarm.members.values()) {
    if (other === peer || other.lapses > 0 || other.conduct.broken > 0) continue;
    // Who holds it and gives nothing for it (a free-rider) is no help: the chunk would never be asked for again.
    if (nowMs - creditAtMs > CREDIT_MS) continue;
    if (have?.has(chunk)) return true;
  }
  return false;
}

/** Whether any chunk of the asset can be had for the credit. */
export function paysFor({ bytes, leaseMs, only }: GrantMessage, { key, maxChunkBytes }: AssetSwarm): boolean {
  if (!(leaseMs > 0) || (only !== undefined && only !== key)) return false;
  return bytes >= Math.max(MIN_GRANT_BYTES, maxChunkBytes);
}

/** A chunk that came to nothing is waited for twice as long each time. */
export function patienceOf(swarm: AssetSwarm, chunk: number): number {
  return 2 ** Math.min(swarm.reissues.get(chunk) ?? 0, 6);
}

/**
 * How long the peer's next request may take: four times what its last ones took, or what its queue needs. Of one that has
 * delivered nothing yet as long as the quickest of the others would have, if that is more than {@link UNKNOWN_REISSUE_MS}: where the
 * downlink is slow everybody is, and to take that for broken promises would leave this node without neighbours.
 */
export function allowedMs(peer: Peer, peers: Iterable<Peer>): number {
  if (peer.serviceMs === 0) return Math.max(UNKNOWN_REISSUE_MS, REISSUE_FACTOR * quickestMs(peers));
  const queueMs = (peer.requestedBytes / peer.serviceBytesPerSec) * 1000 + peer.rttMs;
  return Math.max(MIN_REISSUE_MS, REISSUE_FACTOR * Math.max(peer.serviceMs, queueMs));
}

/** What a request takes those peers that answer soonest; 0: nobody has answered any. */
function quickestMs(peers: Iterable<Peer>): number {
  let leastMs = Infinity;
  for (const { serviceMs } of peers) if (serviceMs > 0) leastMs = Math.min(leastMs, serviceMs);
  return leastMs === Infinity ? 0 : leastMs;
}

/** A request for it was answered in full: its speed, for the next deadline. */
export function noteServed(peer: Peer, request: ChunkRequest, nowMs: number): void {
  const tookMs = Math.max(nowMs - request.requestedAtMs, 1);
  const busyMs = Math.max(nowMs - Math.max(request.requestedAtMs, peer.lastServedAtMs), 1);
  const bytes = Math.max(request.bytes, 1);
  const isFirst = peer.serviceMs === 0;
  peer.serviceMs = isFirst ? tookMs : peer.serviceMs + SMOOTHING * (tookMs - peer.serviceMs);
  // Times are smoothed, not speeds: of chunks that come in bursts, all but the first of each seem fast.
  const usualMs = isFirst ? busyMs : (bytes * 1000) / peer.serviceBytesPerSec;
  peer.serviceBytesPerSec = (bytes * 1000) / (usualMs + SMOOTHING * (busyMs - usualMs));
  peer.lastServedAtMs = nowMs;
}

/** The peer delivered: more may be asked of it at once. */
export function trustMore(peer: Peer, bytes: number, max: number): void {
  peer.lapses = 0;
  peer.conduct.kept(bytes);
  peer.trustBytes = Math.min(max, trustOf(peer) + TRUST_GROWTH * bytes);
}
