import type { ChunkRequest } from './asset-swarm.ts';
import { TOMBSTONE_MS, TOMBSTONES_KEPT } from './constants.ts';
import type { AssetKey } from './messages.ts';
import type { Peer } from './peer.ts';
import { chunkKey } from './upload-queue.ts';

/**
 * What was given up may come all the same: whoever is told of it may have sent it before. Given up a second time, both
 * may come.
 *
 * @param bytes so many may come
 */
export function bury(peer: Peer, { asset, chunk }: ChunkRequest, bytes: number, nowMs: number): void {
  const key = chunkKey(asset, chunk);
  const { left = 0, ends = 0 } = peer.tombstones.get(key) ?? {};
  peer.takenBackAtMs = nowMs;
  // The oldest come first.
  peer.tombstones.delete(key);
  peer.tombstones.set(key, { left: left + bytes, ends: ends + 1, sinceMs: nowMs });
}

/** The chunk was taken back from this very peer lately. */
export function isTakenBack(peer: Peer, asset: AssetKey, chunk: number, nowMs: number): boolean {
  const tombstone = peer.tombstones.get(chunkKey(asset, chunk));
  return tombstone !== undefined && nowMs - tombstone.sinceMs < TOMBSTONE_MS;
}

/** Forgets the oldest of those that were taken back long ago, where they are many. */
export function forgetTakenBack({ tombstones }: Peer, nowMs: number): void {
  if (tombstones.size <= TOMBSTONES_KEPT) return;
  for (const [key, { sinceMs }] of tombstones) {
    if (tombstones.size <= TOMBSTONES_KEPT || nowMs - sinceMs < TOMBSTONE_MS) return;
    tombstones.delete(key);
  }
}
