/**
 * Shoal: share files and directories with a swarm that keeps them when the origin is gone.
 *
 * @example
 * ```ts
 * import { createShoal } from 'shoal';
 *
 * await using shoal = await createShoal({ dataDir: './data' });
 * const { link } = await shoal.share('./video.mp4');
 * console.log(link);
 * ```
 */
export { createShoal } from './node/create-shoal.ts';
export { defaultDataDir } from './node/data-dir.ts';
export { inspect } from './node/inspect.ts';
export {
  ShoalError,
  type DialFailure,
  type DialReason,
  type Fault,
  type SearchAttempt,
  type ShoalErrorOptions,
} from './errors.ts';
export { version } from './version.ts';
export type * from './api.ts';
