/** Who is to blame for an error: this machine or its user, a remote peer, or nobody (a time-out, an abort). */
export type Fault = 'local' | 'peer' | 'none';

/** What {@link ShoalError} takes besides its code and message. */
export interface ShoalErrorOptions {
  /** Default `'local'`. */
  fault?: Fault;
  /** The error this one wraps. */
  cause?: unknown;
  /** The base58 id of the peer at fault, where there is one. */
  peer?: string;
}

/**
 * The one error class of Shoal. Callers match `code`, which is stable; `message` is for people and says what
 * happened, to which thing, and what to do next. Abort reasons are never wrapped: they pass through untouched.
 */
export class ShoalError extends Error {
  /** Stable, upper case, e.g. `ERR_CHUNK_HASH_MISMATCH`. The list is in docs/errors.md. */
  readonly code: string;
  readonly fault: Fault;
  /** The base58 id of the peer at fault, where there is one. */
  readonly peer: string | undefined;

  constructor(code: string, message: string, options: ShoalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ShoalError';
    this.code = code;
    this.fault = options.fault ?? 'local';
    this.peer = options.peer;
  }
}
