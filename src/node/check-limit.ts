import type { RateLimits } from '../api.ts';
import { ShoalError } from '../errors.ts';

/** @throws ERR_LIMIT unless the limit is left out or a positive number of bytes per second */
export function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isFinite(limit) && limit > 0)) return;
  throw new ShoalError(
    'ERR_LIMIT',
    `${limit} is not a number of bytes per second; leave it out for no limit`,
  );
}

/** @throws ERR_LIMIT as {@link checkLimit}, for either way */
export function checkLimits(limits: RateLimits | undefined): void {
  checkLimit(limits?.uploadBytesPerSec);
  checkLimit(limits?.downloadBytesPerSec);
}
