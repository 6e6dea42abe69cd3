import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import type { Peer } from './peer.ts';
import { isTakenBack } from './taken-back.ts';

/**
 * What has begun to come moves only where that saves so much, as all of it comes twice then: one chunk of each slow neighbour
 * at most. (The last chunk of 1 MiB of a neighbour at 1 Mbit/s kept a download waiting for 8 s, with a seed that had nothing to do.)
 */
const BEGUN_MS = 3000;

/**
 * Everything that is wanted has been asked for, and a peer has credit to give: the request that would be answered
 * latest moves to it, where it answers sooner, each once; one of which something has come, where it is seconds. The last chunks would
 * otherwise wait for the slowest path, or behind the longest queue, while uplinks idle. What is on its way already when
 * it is taken back is kept, whichever comes first.
 */
export function worthMoving(
  peer: Peer,
  swarm: AssetSwarm,
  maxBytes: number,
  nowMs: number,
): ChunkRequest | undefined {
  const have = peer.memberships.get(swarm.key)?.have;
  if (!have || swarm.picker.count > 0 || peer.serviceBytesPerSec <= 0) return undefined;
  let latest: ChunkRequest | undefined;
  let latestMs = 0;
  for (const { peer: other } of swarm.members.values()) {
    if (other === peer || other.serviceBytesPerSec <= 0) continue;
    let bytesAhead = 0;
    for (const request of other.requests.values()) {
      const { asset, chunk, bytes, receivedBytes } = request;
      bytesAhead += bytes - receivedBytes;
      if (asset !== swarm.key || bytes > maxBytes || !have.has(chunk)) continue;
      if (swarm.rushed.has(chunk) || isTakenBack(peer, asset, chunk, nowMs)) continue;
      const leftMs = timeLeft(other, request, bytesAhead, nowMs) - (receivedBytes > 0 ? BEGUN_MS : 0);
      if (leftMs > latestMs) [latest, latestMs] = [request, leftMs];
    }
  }
  if (!latest) return undefined;
  const hereMs = peer.rttMs + ((peer.requestedBytes + latest.bytes) * 1000) / peer.serviceBytesPerSec;
  return latestMs > hereMs ? latest : undefined;
}

/** When the peer will have answered, which has `bytesAhead` to send up to the request's end, by what it took lately. */
function timeLeft(peer: Peer, request: ChunkRequest, bytesAhead: number, nowMs: number): number {
  const usualMs = peer.serviceMs - (nowMs - request.requestedAtMs);
  return Math.max((bytesAhead * 1000) / peer.serviceBytesPerSec, usualMs);
}
