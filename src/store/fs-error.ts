import { ShoalError } from '../errors.ts';

/** Whether `error` comes from the operating system with one of these codes, e.g. `ENOENT`. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/**
 * Turns an error of the file system into one that a person can act on. What is no such error (a `ShoalError`, an
 * abort reason) comes back as it is.
 *
 * @param what what was being done, as in "cannot WHAT PATH", e.g. `'write'`
 */
export function fsError(error: unknown, what: string, path: string): unknown {
  if (error instanceof ShoalError || !(error instanceof Error) || !('syscall' in error)) return error;
  const { code, advice } = classify(String((error as NodeJS.ErrnoException).code));
  return new ShoalError(code, `cannot ${what} ${path}: ${advice ?? error.message}`, { cause: error });
}

/** Runs `task`, and turns what the file system throws with {@link fsError}. */
export async function withFsErrors<T>(what: string, path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw fsError(error, what, path);
  }
}

function classify(errno: string): { code: string; advice?: string } {
  switch (errno) {
    case 'ENOENT':
      return { code: 'ERR_NOT_FOUND', advice: 'it does not exist; check the path' };
    case 'ENOTDIR':
      return { code: 'ERR_NOT_FOUND', advice: 'a part of that path is not a folder; check the path' };
    case 'EACCES':
    case 'EPERM':
      return {
        code: 'ERR_ACCESS',
        advice: 'permission denied; give this user access or choose another path',
      };
    case 'EROFS':
      return {
        code: 'ERR_READ_ONLY',
        advice: 'the file system is read-only; remount it writable or choose another path',
      };
    case 'ENOSPC':
    case 'EDQUOT':
      return {
        code: 'ERR_DISK_FULL',
        advice: 'the disk or quota is full; free some space and start again, it goes on where it stopped',
      };
    case 'EFBIG':
      return { code: 'ERR_IO', advice: 'the file system does not take files of that size; choose another' };
    case 'ENAMETOOLONG':
      return {
        code: 'ERR_NAME_TOO_LONG',
        advice: 'the name is too long for this file system; choose a shorter path',
      };
    case 'EMFILE':
    case 'ENFILE':
      return { code: 'ERR_TOO_MANY_FILES', advice: 'too many open files; raise the limit (ulimit -n)' };
    default:
      return { code: 'ERR_IO' };
  }
}
