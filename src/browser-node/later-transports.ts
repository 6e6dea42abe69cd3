import {
  transportSymbol,
  type Connection,
  type DialTransportOptions,
  type Listener,
  type Transport,
} from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { isForPages } from '../node/listen-addresses.ts';
import { sleep } from '../node/sleep.ts';
import type { FurtherTransports, NodeParts } from './further-transports.ts';

/** As long as a node waits before it goes back to a relay: then twice as long each time, up to a minute. */
const LEAST_PAUSE_MS = 5_000;
const MOST_PAUSE_MS = 60_000;

/**
 * Stands in for the transports that a page does without at first: they are loaded when somebody is dialled over one of
 * them, or on {@link load}. webrtc-direct alone is enough to fetch from a link of a node.
 */
export class LaterTransports implements Transport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = '@shoal/later-transports';
  readonly #parts: NodeParts;
  readonly #further: FurtherTransports;
  #loaded: Promise<void> | undefined;
  #isLoaded = false;
  #isAwaited = false;
  #stopped = new AbortController();

  constructor(parts: NodeParts, further: FurtherTransports) {
    this.#parts = parts;
    this.#further = further;
  }

  /** Loads them, once. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      // The next one to need them tries again: a network that was away comes back.
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** Loads them, again and again until they are there: the network may have been away just then, and nobody else asks. */
  async keepLoading(onFailed: (error: unknown) => void): Promise<void> {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    const { signal } = this.#stopped;
    for (let pauseMs = LEAST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(MOST_PAUSE_MS, 2 * pauseMs)) {
      try {
        return await this.load();
      } catch (error) {
        if (!signal.aborted) onFailed(error);
      }
      await sleep(pauseMs, signal);
    }
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    await this.load();
    options.signal.throwIfAborted();
    return this.#parts.transportManager.dial(address, options);
  }

  /** Once they are loaded each takes what is its own. */
  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#isLoaded ? [] : addresses.filter((address) => isLater(address.toString()));
  }

  listenFilter(): Multiaddr[] {
    return [];
  }

  createListener(): Listener {
    throw new Error('nothing is listened to before the transports are loaded');
  }

  /** libp2p calls these. */
  start(): void {
    this.#stopped = new AbortController();
    this.#isAwaited = false;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #load(): Promise<void> {
    const { addTransports } = await import('./further-transports.ts');
    if (this.#stopped.signal.aborted) throw new Error('the node was closed');
    await addTransports(this.#parts, this.#further);
    this.#isLoaded = true;
  }
}

function isLater(address: string): boolean {
  return isForPages(address) && (address.includes('/p2p-circuit') || !address.includes('/webrtc-direct'));
}
