import { ShoalError } from '../errors.ts';

/**
 * A name of another type, such as a year, would be a damaged record for whoever opens the data folder next.
 *
 * @throws ERR_SHARE_SOURCE
 */
export function checkShareName(name: string | undefined): void {
  if (name === undefined || typeof name === 'string') return;
  throw new ShoalError(
    'ERR_SHARE_SOURCE',
    `the name of what is shared is text, and not of type ${typeof name}; leave it out, or give it as text`,
  );
}
