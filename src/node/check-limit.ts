import type { RateLimits } from '../api.ts';
import { ShoalError } from '../errors.ts';

function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isFinite(limit) && limit > 0)) return;
  throw new ShoalError(
    'ERR_LIMIT',
    `${limit} is not a number of bytes per second; leave it out for no limit`,
  );
}

/** @throws ERR_LIMIT unless it is a positive number of bytes, which is always a limit */
export function checkMemoryBytes(bytes: number): void {
  if (Number.isFinite(bytes) && bytes > 0) return;
  throw new ShoalError('ERR_LIMIT', `memoryBytes ${bytes} is not a number of bytes; leave it out for 1 GiB`);
}

/** @throws ERR_LIMIT unless each is left out or a positive number of bytes per second */
export function checkLimits(limits: RateLimits | undefined): void {
  checkLimit(limits?.uploadBytesPerSec);
  checkLimit(limits?.downloadBytesPerSec);
}
