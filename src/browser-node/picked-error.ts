import { ShoalError } from '../errors.ts';

/** What to make of the browser's own errors about files and folders that a person picked, by their names. */
const WORDS: Readonly<Record<string, readonly [code: string, what: (path: string) => string]>> = {
  NotAllowedError: [
    'ERR_ACCESS',
    (path) => `the browser does not let this page use ${path}; ask the person to pick it again`,
  ],
  SecurityError: [
    'ERR_ACCESS',
    (path) => `the browser did not ask whether this page may use ${path}: it asks only upon a click or a key`,
  ],
  NoModificationAllowedError: [
    'ERR_ACCESS',
    (path) => `${path} cannot be written now: another page or program has it; save again when it is free`,
  ],
  AbortError: [
    'ERR_ACCESS',
    (path) => `the browser refused to write ${path}: it takes files of this kind for dangerous`,
  ],
  QuotaExceededError: [
    'ERR_DISK_FULL',
    (path) => `there is no more room for ${path}; free some, and save again: what was fetched is still here`,
  ],
  NotFoundError: ['ERR_NOT_FOUND', (path) => `${path} is no longer there: it was moved or deleted meanwhile`],
  TypeError: [
    'ERR_UNSAFE_NAME',
    (path) => `the browser allows no file of the name ${JSON.stringify(path)}; its publisher must rename it`,
  ],
};

/** An error of the browser, as one for people. @param path what it is about */
export function pickedError(path: string, cause: unknown): Error {
  if (cause instanceof ShoalError) return cause;
  const [code, what] = WORDS[nameOf(cause)] ?? [
    'ERR_IO',
    () => `${path} could not be used: ${String(cause)}`,
  ];
  return new ShoalError(code, what(path), { cause });
}

/** An error of a stream that the page has given, which may fail with anything, or without a reason. */
export function streamError(name: string, cause: unknown): Error {
  if (cause instanceof ShoalError) return cause;
  if (nameOf(cause) === 'QuotaExceededError') return pickedError(name, cause);
  return new ShoalError('ERR_IO', `${name} took no more: ${String(cause)}`, { cause });
}

/** Runs `task`, and gives what the browser throws as {@link pickedError}. */
export async function withPickedErrors<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw pickedError(path, error);
  }
}

/** Whether the browser says that nothing, or something of another kind, is there; or that it is being written. */
export function isPickedError(
  error: unknown,
  name: 'NotFoundError' | 'TypeMismatchError' | 'NoModificationAllowedError',
): boolean {
  return nameOf(error) === name;
}

function nameOf(error: unknown): string {
  return (error as Partial<Error> | undefined)?.name ?? '';
}
