/** Who is to blame for an error: this machine or its user, a remote peer, or nobody (a time-out, an abort). */
export type Fault = 'local' | 'peer' | 'none';

/** Why an address could not be reached. `failed`: anything else, which `message` tells. */
export type DialReason =
  | 'refused'
  | 'timeout'
  | 'no-route'
  | 'unknown-host'
  | 'wrong-peer'
  | 'this-node'
  | 'wrong-certificate'
  | 'other-network'
  | 'failed';

/** An address that did not lead to a node of this network. */
export interface DialFailure {
  address: string;
  reason: DialReason;
  /** For people, such as "nothing listens there". */
  message: string;
}

/** One way in which somebody who has an asset was looked for, and what came of it. */
export interface SearchAttempt {
  /**
   * `link`: addresses of the link; `peers`: peers and bootstrap nodes that were named; `earlier`: peers of the asset's
   * swarm from earlier runs; `swarm`: peers that are connected; `dht`; `mdns`: the local network.
   */
  way: 'link' | 'peers' | 'earlier' | 'swarm' | 'dht' | 'mdns';
  /** One line for people, of a few hundred characters, or a thousand where addresses are long. */
  text: string;
  /** Nodes dialled, asked or heard. 0: none is known, or this way is switched off. */
  tried: number;
  /** How many of those answered. */
  reached: number;
  /** What could not be reached, at most eight. */
  failures: readonly DialFailure[];
}

/** What {@link ShoalError} takes besides its code and message. */
export interface ShoalErrorOptions {
  /** Default `'local'`. */
  fault?: Fault;
  /** The error this one wraps. */
  cause?: unknown;
  /** What was tried, where nobody was found. */
  tried?: readonly SearchAttempt[];
}

/**
 * The one error class of Shoal. Callers match `code`, which is stable; `message` is for people and says what
 * happened, to which thing, and what to do next. Abort reasons are never wrapped: they pass through untouched.
 */
export class ShoalError extends Error {
  /** Stable, upper case, e.g. `ERR_CHUNK_HASH_MISMATCH`. The list is in docs/errors.md. */
  readonly code: string;
  readonly fault: Fault;
  /** `ERR_NO_PROVIDERS`: what was tried, one entry for each way there is. */
  readonly tried: readonly SearchAttempt[] | undefined;

  constructor(code: string, message: string, options: ShoalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ShoalError';
    this.code = code;
    this.fault = options.fault ?? 'local';
    this.tried = options.tried;
  }
}
