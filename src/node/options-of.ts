import type { OpenOptions, SaveOptions, ShareOptions, StreamOptions, VerifyOptions } from '../api.ts';
import { ShoalError } from '../errors.ts';

/** What an option is to be, as {@link kindOf} says it; `any`: whoever uses it looks. */
type Kind = 'any' | 'boolean' | 'function' | 'number' | 'string' | 'AbortSignal' | 'Array' | 'Object';

/** The options that something takes. */
export type Kinds<T> = { readonly [Name in keyof Required<T>]: Kind };

/**
 * What the methods of a node and of its assets take. One that takes fewer is given the others in vain: an application may
 * have the same ones for `open` and `save`.
 */
export const METHOD_OPTIONS: Kinds<OpenOptions & SaveOptions & ShareOptions & StreamOptions & VerifyOptions> =
  {
    signal: 'AbortSignal',
    timeoutMs: 'number',
    onProgress: 'function',
    name: 'any',
    chunkSize: 'number',
    path: 'string',
    offset: 'number',
    length: 'number',
    force: 'boolean',
  };

/**
 * Reads options, of which an application in JavaScript may misspell one, or give another thing than it means: a limit would
 * be none, `force: 'no'` would replace files, and what is no function is called when something has happened.
 *
 * @returns those that are given; `null` is as good as left out
 * @throws ERR_OPTION
 */
export function optionsOf<T extends object>(
  given: T | null | undefined,
  kinds: Partial<Kinds<T>> = METHOD_OPTIONS as Partial<Kinds<T>>,
): T {
  const options: Record<string, unknown> = {};
  if (typeof (given ?? {}) !== 'object') throw wrong(`options are an object, and not a ${typeof given}`);
  for (const name of Object.keys(given ?? {})) {
    if (!Object.hasOwn(kinds, name))
      throw wrong(`there is no option "${name}"; there are: ${Object.keys(kinds).join(', ')}`);
  }
  // Each by its name: an object of a class has its own as getters.
  for (const [name, kind] of Object.entries(kinds) as [keyof T & string, Kind][]) {
    const value = given?.[name] ?? undefined;
    if (value === undefined) continue;
    if (kind !== 'any' && kind !== kindOf(value))
      throw wrong(`the option "${name}" is of type ${kind}, and not ${kindOf(value)}`);
    options[name] = value;
  }
  return options as T;
}

/** Of an object its tag: an `AbortSignal` of another frame, or of a test's environment, is no instance of this realm's. */
function kindOf(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value).slice(8, -1) : typeof value;
}

function wrong(message: string): ShoalError {
  return new ShoalError('ERR_OPTION', message);
}
