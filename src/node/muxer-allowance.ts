import { Allowance } from '../swarm/core/allowance.ts';

/** A piece as small as this takes more memory than bytes. */
const CRUMB_BYTES = 64;

/**
 * Of each kind at once and a second. An application that looks for ten thousand assets at once asks a small DHT's nodes for each
 * of them: a stream, and some crumbs to negotiate it.
 */
const KINDS = {
  ping: { burst: 100, perSec: 10, name: 'pings' },
  open: { burst: 10_000, perSec: 500, name: 'streams' },
  /** Of WebRTC: four for each stream that ends. */
  flag: { burst: 40_000, perSec: 2000, name: 'flags' },
  crumb: { burst: 30_000, perSec: 1500, name: 'pieces of a few bytes' },
} as const;

/** What of it there is. */
export type AllowedKind = keyof typeof KINDS;

/**
 * What a peer may make a connection's muxer keep. Each ping and each stream that is refused is answered, as are flags that
 * end a stream of WebRTC, and waits in memory where the peer does not read; and what arrives for libp2p's own protocols waits
 * there until a message is whole, as one object for each piece: of a byte each, 13 MB of frames took 235 MB. Bytes that go
 * straight to Shoal's own readers count for nothing.
 */
export class MuxerAllowance {
  readonly #nowMs: () => number;
  readonly #left = new Map<AllowedKind, Allowance>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** A ping, a stream that is opened, or a flag. @throws where there are too many */
  take(kind: AllowedKind): void {
    const { burst, perSec, name } = KINDS[kind];
    const nowMs = this.#nowMs();
    let allowance = this.#left.get(kind);
    if (!allowance) this.#left.set(kind, (allowance = new Allowance(perSec, burst, nowMs)));
    if (!allowance.spend(nowMs)) throw new Error(`the peer sent too many ${name}; it was cut off`);
  }

  /** Bytes that are kept until somebody reads them. @throws where too many are too small */
  keep(bytes: number): void {
    if (bytes <= CRUMB_BYTES) this.take('crumb');
  }
}
