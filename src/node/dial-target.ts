import type { Connection, PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { LogLevel } from '../api.ts';
import type { DialFailure } from '../errors.ts';
import { dialUnlessSilent } from '../swarm/dial-unless-silent.ts';
import { directConnection } from '../swarm/direct-connection.ts';
import { dialFailure, failureOf } from './dial-failure.ts';
import { isPlaceAmong } from './listen-addresses.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';
import { sleep } from './sleep.ts';
import { letStay } from './spare-connections.ts';

/** Waits between attempts to reach a peer that is to stay connected: doubling from the first to the last. */
const REDIAL_FIRST_MS = 1_000;
const REDIAL_LAST_MS = 30_000;

/** The same for a peer of an earlier run, which may be gone for good: the exchange's own longest wait. */
const EARLIER_LAST_MS = 600_000;

/** One attempt at one address; a host that drops packets answers nothing at all. */
const DIAL_TIMEOUT_MS = 10_000;

/** Another address of the same peer waits for it: libp2p dials a peer's addresses one after the other too. */
const NEXT_ADDRESS_MS = 5_000;

/** What a {@link DialTarget} works with. */
export interface DialTargetHost {
  libp2p: ShoalLibp2p;
  log: (level: LogLevel, message: string) => void;
}

/** A peer that is to be connected to, at any of its addresses, and what came of it so far. */
export class DialTarget {
  readonly way: 'link' | 'peers' | 'earlier';
  /** As its addresses end in it; once it has been reached, as it proved. */
  peer: string | undefined;
  isReached = false;
  /** By address: why the last attempt failed. */
  readonly failures = new Map<string, DialFailure>();
  readonly #host: DialTargetHost;
  readonly #addresses: readonly Multiaddr[];

  constructor(
    host: DialTargetHost,
    way: DialTarget['way'],
    addresses: readonly Multiaddr[],
    peer: string | undefined,
  ) {
    this.#host = host;
    this.way = way;
    this.#addresses = addresses;
    this.peer = peer;
  }

  get addresses(): string[] {
    return this.#addresses.map(String);
  }

  /** Connects, and connects again when the connection is lost, until the signal ends it. */
  async keepConnected(signal: AbortSignal): Promise<void> {
    const name = this.#addresses.join(' or ');
    let waitMs = REDIAL_FIRST_MS;
    let isTold = false;
    while (!signal.aborted) {
      const connection = await this.#dial(signal);
      if (connection) {
        waitMs = REDIAL_FIRST_MS;
        isTold = false;
        const { remotePeer } = connection;
        await letStay(this.#host.libp2p, remotePeer, this.#whenGone(remotePeer, signal));
        if (!signal.aborted) this.#host.log('info', `lost the connection to ${name}`);
      } else if (!signal.aborted && !isTold) {
        isTold = true;
        this.#host.log('warn', `cannot reach ${this.#why(name)}`);
      }
      await sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, REDIAL_LAST_MS);
    }
  }

  /**
   * Connects once: from then on it is the exchange's to keep the link.
   *
   * @param mayLeave asked after each attempt from when on the pause is longest: whether it is given up. Default: never
   * @returns whether it is connected
   */
  async connectOnce(signal: AbortSignal, mayLeave = (): boolean => false): Promise<boolean> {
    for (let waitMs = REDIAL_FIRST_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, EARLIER_LAST_MS)) {
      if (await this.#dial(signal)) return true;
      if (waitMs === EARLIER_LAST_MS && mayLeave()) return false;
      await sleep(waitMs, signal);
    }
    return false;
  }

  /** Dials each of its addresses. @returns whether it is connected */
  async tryOnce(signal: AbortSignal): Promise<boolean> {
    return (await this.#dial(signal)) !== undefined;
  }

  /** Each address with its own reason, where these differ: a link names 127.0.0.1 first, which says nothing of the others. */
  #why(name: string): string {
    const failures = [...this.failures.values()];
    const [why, ...others] = new Set(failures.map(({ message }) => message));
    if (others.length === 0) return `${name}: ${why ?? 'unknown reason'}`;
    return failures.map(({ address, message }) => `${address}: ${message}`).join('; ');
  }

  async #dial(signal: AbortSignal): Promise<Connection | undefined> {
    const silent: Multiaddr[] = [];
    for (const address of this.#addresses) {
      const isLast = address === this.#addresses.at(-1);
      const connection = await this.#dialAt(address, signal, isLast ? undefined : () => silent.push(address));
      if (connection || signal.aborted) return connection;
    }
    for (const address of silent) {
      const connection = await this.#dialAt(address, signal);
      if (connection || signal.aborted) return connection;
    }
    this.isReached = false;
    return undefined;
  }

  /** @param onSilent called where the address is passed over, to be tried once more when all others have failed; default: it is waited for */
  async #dialAt(
    address: Multiaddr,
    signal: AbortSignal,
    onSilent?: () => void,
  ): Promise<Connection | undefined> {
    const { libp2p } = this.#host;
    const text = String(address);
    if (isPlaceAmong(libp2p.getMultiaddrs(), address)) {
      this.failures.set(text, failureOf(text, 'this-node'));
      return undefined;
    }
    const limitMs = this.#addresses.length > 1 ? NEXT_ADDRESS_MS : DIAL_TIMEOUT_MS;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    try {
      const relayed = await dialUnlessSilent(libp2p, address, limit, onSilent);
      const connection = await directConnection(libp2p, relayed, limit);
      this.isReached = true;
      this.failures.clear();
      this.peer = connection.remotePeer.toString();
      return connection;
    } catch (error) {
      if (!signal.aborted) this.failures.set(text, dialFailure(text, error));
      return undefined;
    }
  }

  #whenGone(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { libp2p } = this.#host;
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = new AbortController();
    const finish = (): void => {
      done.abort();
      resolve();
    };
    signal.addEventListener('abort', finish, { signal: done.signal });
    libp2p.addEventListener(
      'peer:disconnect',
      (event) => {
        if (event.detail.equals(peer)) finish();
      },
      { signal: done.signal },
    );
    if (signal.aborted || libp2p.getConnections(peer).length === 0) finish();
    return promise;
  }
}
