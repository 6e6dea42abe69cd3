import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import type { AssetKey, PeerKey } from './messages.ts';
import type { Peer } from './peer.ts';
import { chunkKey } from './upload-queue.ts';

/** A request moves only where that is sooner by this much: estimates are no better, and a move can cost a copy. */
const GAIN = 2;
const GAIN_MS = 50;

/**
 * Everything that is wanted has been asked for, and a peer has credit to give: the request that would be answered
 * latest moves to it, where it answers much sooner. Only requests of which nothing has come, each once. The last
 * chunks would otherwise wait for the slowest path, or behind the longest queue, while uplinks idle.
 */
export function worthMoving(
  peer: Peer,
  swarm: AssetSwarm,
  maxBytes: number,
  nowMs: number,
  peerOf: (key: PeerKey) => Peer | undefined,
): ChunkRequest | undefined {
  const have = peer.memberships.get(swarm.key)?.have;
  if (!have || swarm.picker.count > 0 || peer.serviceBytesPerSec <= 0) return undefined;
  let latest: ChunkRequest | undefined;
  let latestMs = 0;
  for (const request of swarm.requests.values()) {
    const { asset, chunk, bytes, receivedBytes } = request;
    if (request.peer === peer.key || receivedBytes > 0 || bytes > maxBytes || !have.has(chunk)) continue;
    if (swarm.rushed.has(chunk) || isTakenBack(peer, asset, chunk)) continue;
    const other = peerOf(request.peer);
    if (!other) continue;
    const leftMs = timeLeft(other, request, nowMs);
    if (leftMs > latestMs) [latest, latestMs] = [request, leftMs];
  }
  if (!latest) return undefined;
  const hereMs = peer.rttMs + ((peer.requestedBytes + latest.bytes) * 1000) / peer.serviceBytesPerSec;
  return latestMs > GAIN * hereMs + GAIN_MS ? latest : undefined;
}

/** When the peer will have answered, by what it took lately; what is late already is taken to need as long again. */
function timeLeft(peer: Peer, request: ChunkRequest, nowMs: number): number {
  const age = nowMs - request.requestedAtMs;
  return age < peer.serviceMs ? peer.serviceMs - age : age;
}

function isTakenBack(peer: Peer, asset: AssetKey, chunk: number): boolean {
  return peer.tombstones.has(chunkKey(asset, chunk));
}
