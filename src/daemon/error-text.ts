// A type only: --help must not load the whole SDK for the sake of an error that it never reports.
import type { SearchAttempt } from '../index.ts';

/** The stable code of whatever was thrown; what has none of ours is `ERR_INTERNAL`: Node's own begin alike. */
export function errorCode(error: unknown): string {
  const isOurs = error instanceof Error && error.name === 'ShoalError' && 'code' in error;
  return isOurs && typeof error.code === 'string' ? error.code : 'ERR_INTERNAL';
}

/** What was tried, where nobody was found. */
export function errorTried(error: unknown): readonly SearchAttempt[] | undefined {
  const tried = error instanceof Error && 'tried' in error ? error.tried : undefined;
  return Array.isArray(tried) ? (tried as readonly SearchAttempt[]) : undefined;
}

/** What was thrown, as one line for a person. */
export function errorMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line === '' ? 'something failed without saying what' : line;
}
