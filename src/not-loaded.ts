import { ShoalError } from './errors.ts';

/**
 * Why a part that a page loads when it uses it is not there: `await import(…).catch(notLoaded)`. Browsers tell of an address
 * alone, and Firefox, asked once more, of the same without looking.
 *
 * @throws ERR_NOT_LOADED
 */
export function notLoaded(cause: unknown): never {
  throw new ShoalError(
    'ERR_NOT_LOADED',
    'a part of Shoal that this takes did not come: the network was away for a moment, or the site has a newer version since this page was opened; load the page anew',
    { cause },
  );
}
