import { limitOf, type Allowance } from './allowance.ts';
import type { AssetSwarm } from './asset-swarm.ts';
import type { Core } from './core.ts';
import type { Peer } from './peer.ts';

/** Most payload each way, bytes per second; undefined: no limit. */
export interface RateLimits {
  uploadBytesPerSec?: number | undefined;
  downloadBytesPerSec?: number | undefined;
}

/** Limits in force, of one peer or one asset. */
export interface Throttle {
  upload: Allowance | undefined;
  download: Allowance | undefined;
}

/**
 * The limits of this node, and of each single peer, are others from now on; those that stay the same go on.
 *
 * @returns whether the uplink has a higher one than before, or none any more
 */
export function setNodeLimits(core: Core, limits: RateLimits, perPeer: RateLimits): boolean {
  const before = core.settings.uploadBytesPerSec ?? Infinity;
  core.settings.uploadBytesPerSec = limits.uploadBytesPerSec;
  core.settings.downloadBytesPerSec = limits.downloadBytesPerSec;
  core.settings.perPeer = perPeer;
  core.download = changed(core.download, limits.downloadBytesPerSec, core.nowMs);
  for (const peer of core.peers.values()) limitPeer(core, peer);
  return (limits.uploadBytesPerSec ?? Infinity) > before;
}

/** Puts the limit of a single peer on one that connected. */
export function limitPeer(core: Core, peer: Peer): void {
  setThrottle(peer.throttle, core.settings.perPeer ?? {}, core.nowMs);
}

/** The limits of an asset are others from now on. */
export function limitAsset(core: Core, swarm: AssetSwarm, limits: RateLimits): void {
  setThrottle(swarm.throttle, limits, core.nowMs);
}

function setThrottle(throttle: Throttle, limits: RateLimits, nowMs: number): void {
  throttle.upload = changed(throttle.upload, limits.uploadBytesPerSec, nowMs);
  throttle.download = changed(throttle.download, limits.downloadBytesPerSec, nowMs);
}

function changed(
  before: Allowance | undefined,
  bytesPerSec: number | undefined,
  nowMs: number,
): Allowance | undefined {
  return before && before.perSec === bytesPerSec ? before : limitOf(bytesPerSec, nowMs);
}

/** Whether a limit says to wait, as of its last refill. */
export function isSpent(allowance: Allowance | undefined): boolean {
  return allowance !== undefined && allowance.left <= 0;
}
