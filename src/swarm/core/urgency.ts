import type { AssetSwarm } from './asset-swarm.ts';
import type { Peer } from './peer.ts';

/** A chunk that a reader waits for, or soon will. */
export interface Urgent {
  readonly chunk: number;
  /** When the reader needs it, on the core's clock. */
  readonly dueAtMs: number;
}

/** Most chunks of an asset that are urgent at once: each grant may look at all of them. */
export const MAX_URGENT = 512;

/** What is due sooner than this comes before an origin's offer, and is taken back where it will be late. */
export const HURRY_MS = 5000;

/** Chunks that a slow peer passes over for a faster one's sake, with each grant; then it takes the next. */
const MAX_PASSED_OVER = 8;

/** A peer is left the next deadline only if no other is expected to be so many times as fast. */
const FASTER = 2;

/** A peer that has delivered so lately is counted on to do so again. */
const LATELY_MS = 5000;

/**
 * The chunks as the core keeps them, the one due first in front; ties in the order given.
 *
 * @param dueInMs ms from now for each chunk; undefined: all are due now
 */
export function urgentOf(
  swarm: AssetSwarm,
  nowMs: number,
  chunks: readonly number[],
  dueInMs: readonly number[] | undefined,
): Urgent[] {
  const urgent: Urgent[] = [];
  for (const [at, chunk] of chunks.entries()) {
    if (urgent.length === MAX_URGENT) break;
    if (chunk < 0 || chunk >= swarm.size || swarm.have.has(chunk)) continue;
    urgent.push({ chunk, dueAtMs: nowMs + Math.max(0, dueInMs?.[at] ?? 0) });
  }
  return urgent.sort((a, b) => a.dueAtMs - b.dueAtMs);
}

/**
 * The urgent chunk to ask a peer for: the first that it can deliver in time, or that nobody would deliver much
 * sooner. So what is needed next goes to the fast, and the slow are given what is needed later.
 *
 * @param untilMs chunks due later do not count
 * @param suits whether the peer has the chunk and it can be asked for
 * @returns −1 where there is none
 */
export function pickUrgent(
  swarm: AssetSwarm,
  peer: Peer,
  nowMs: number,
  untilMs: number,
  suits: (chunk: number) => boolean,
): number {
  let passedOver = 0;
  for (const { chunk, dueAtMs } of swarm.urgent) {
    if (dueAtMs > untilMs) break;
    if (!swarm.picker.isPickable(chunk) || !suits(chunk)) continue;
    const isInTime = nowMs + expectedMs(peer) <= dueAtMs;
    if (isInTime || passedOver === MAX_PASSED_OVER || !isFasterElsewhere(swarm, peer, nowMs, chunk))
      return chunk;
    passedOver++;
  }
  return -1;
}

/**
 * Urgent chunks that were asked of a peer which will be late, while another would be much sooner: to be asked for
 * anew, once each. Nothing of them has come yet, so that at worst one copy is wasted.
 */
export function lateUrgent(
  swarm: AssetSwarm,
  nowMs: number,
  peerOf: (key: string) => Peer | undefined,
): number[] {
  const late: number[] = [];
  for (const { chunk, dueAtMs } of swarm.urgent) {
    if (dueAtMs > nowMs + HURRY_MS) break;
    const request = swarm.requests.get(chunk);
    if (!request || request.isWhole || request.receivedBytes > 0 || swarm.rushed.has(chunk)) continue;
    const holder = peerOf(request.peer);
    if (!holder) continue;
    const leftMs = Math.max(expectedMs(holder) - (nowMs - request.requestedAtMs), 0);
    const isOverdue = nowMs > dueAtMs || nowMs + leftMs > dueAtMs;
    if (isOverdue && isFasterElsewhere(swarm, holder, nowMs, chunk)) late.push(chunk);
  }
  return late;
}

/** Another neighbour, which delivered lately, has the chunk and takes less than half as long. */
function isFasterElsewhere(swarm: AssetSwarm, peer: Peer, nowMs: number, chunk: number): boolean {
  const limitMs = expectedMs(peer) / FASTER;
  for (const { peer: other, have } of swarm.members.values()) {
    if (other === peer || other.isLeaving || other.lapses > 0 || other.serviceMs === 0) continue;
    if (nowMs - other.lastServedAtMs > LATELY_MS || expectedMs(other) > limitMs) continue;
    if (have?.has(chunk)) return true;
  }
  return false;
}

/** How long the peer is expected to take for one more chunk; 0 where nothing is known of it: it gets its chance. */
function expectedMs(peer: Peer): number {
  if (peer.serviceMs === 0) return 0;
  const queueMs = (peer.requestedBytes / peer.serviceBytesPerSec) * 1000 + peer.rttMs;
  return Math.max(peer.serviceMs, queueMs);
}
