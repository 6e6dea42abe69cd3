import type { RateLimits } from '../api.ts';
import { ShoalError } from '../errors.ts';
import { optionsOf, type Kinds } from './options-of.ts';

type NodeLimits = RateLimits & { perPeer?: RateLimits };

const LIMITS: Kinds<RateLimits> = { uploadBytesPerSec: 'any', downloadBytesPerSec: 'any' };
export const NODE_LIMITS: Kinds<NodeLimits> = { ...LIMITS, perPeer: 'Object' };

/** @throws ERR_LIMIT unless it is a positive number of bytes, which is always a limit */
export function checkMemoryBytes(bytes: number): void {
  if (Number.isFinite(bytes) && bytes > 0) return;
  throw new ShoalError('ERR_LIMIT', `memoryBytes ${bytes} is not a number of bytes; leave it out for 1 GiB`);
}

/** @throws ERR_LIMIT unless each is left out or a positive number of bytes per second */
export function checkLimits(limits: RateLimits): void {
  for (const name of Object.keys(LIMITS) as (keyof RateLimits)[]) {
    const limit = limits[name];
    if (limit === undefined || (Number.isFinite(limit) && limit > 0)) continue;
    throw new ShoalError(
      'ERR_LIMIT',
      `${name} is ${String(limit)}, and not a number of bytes per second; leave it out for no limit`,
    );
  }
}

/** @throws ERR_OPTION, ERR_LIMIT */
export function limitsOf(given: RateLimits | undefined): RateLimits {
  const limits = optionsOf(given, LIMITS);
  checkLimits(limits);
  return limits;
}

/** The limits of a node and of each single peer. @throws ERR_OPTION, ERR_LIMIT */
export function nodeLimitsOf(given: NodeLimits): NodeLimits {
  const limits = optionsOf(given, NODE_LIMITS);
  readNodeLimits(limits);
  return limits;
}

/** Those among options that have been read: what is in `perPeer` is read, too. @throws ERR_OPTION, ERR_LIMIT */
export function readNodeLimits(options: NodeLimits): void {
  checkLimits(options);
  if (options.perPeer) options.perPeer = limitsOf(options.perPeer);
}
