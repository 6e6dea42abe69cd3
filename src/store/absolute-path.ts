import { resolve } from 'node:path';
import { ShoalError } from '../errors.ts';

/**
 * The absolute path of what a person or an application named. An empty one, as a variable that is not set gives, is not
 * the current folder: that would be shared, or replaced.
 *
 * @throws ERR_NOT_FOUND where it names nothing, ERR_UNSAFE_NAME where no file system takes it
 */
export function absolutePath(path: string): string {
  if (typeof path !== 'string' || path === '') {
    const shown = typeof path === 'string' ? 'an empty path' : `${String(path)} (${typeof path})`;
    throw new ShoalError('ERR_NOT_FOUND', `${shown} names nothing; write "." for the current folder`);
  }
  if (path.includes('\0')) {
    throw new ShoalError(
      'ERR_UNSAFE_NAME',
      `${JSON.stringify(path)} has a NUL character, which no path has; check where it comes from`,
    );
  }
  return resolve(path);
}
