/**
 * Shoal in a browser. There is no browser node in this version: the transports come with WebRTC. The names are
 * here, so that an application that runs in both places can be bundled, and learns in a sentence what is missing
 * rather than from a bundler's complaint about `node:fs`.
 */
import { ShoalError } from './errors.ts';
import type * as node from './index.ts';

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

function unsupported(what: string): ShoalError {
  return new ShoalError(
    'ERR_UNSUPPORTED_PLATFORM',
    `${what} needs Node 22.12 or later: this version of Shoal has no browser node; run a seed node and fetch from it there`,
  );
}

/** @throws ERR_UNSUPPORTED_PLATFORM always, in browsers */
export const createShoal: typeof node.createShoal = () => Promise.reject(unsupported('createShoal'));

/** @throws ERR_UNSUPPORTED_PLATFORM always, in browsers */
export const inspect: typeof node.inspect = () => Promise.reject(unsupported('inspect'));
