import type { Connection, Libp2pEvents, PeerId, TypedEventTarget } from '@libp2p/interface';
import type { TransportManager } from '@libp2p/interface-internal';
import { lpStream } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import type { LogLevel } from '../api.ts';
import { isDirect } from '../swarm/direct-connection.ts';
import { AddressVotes, type Standing } from './address-votes.ts';
import {
  AUTONAT_PROTOCOL,
  decodeDialResponse,
  DialStatus,
  encodeDial,
  MAX_AUTONAT_BYTES,
} from './autonat-messages.ts';
import { hostOf, isOwnHost, isPublicHost, networkOf } from './ip-host.ts';
import { sleep } from './sleep.ts';
import { TaskSet } from './task-set.ts';

/** A router is changed, or gets another address, now and then; a round costs two or three peers a dial. */
const ROUND_MS = 600_000;

/** More than agree are seldom needed. */
const AT_ONCE = 2;

/** A peer gives up on its dial sooner. */
const ASK_MS = 15_000;

/** The connection comes before the answer that tells of it, by another way. */
const SIGHT_MS = 3_000;

/** Peers kept for the next round. */
const MAX_WITNESSES = 64;

/** Addresses that one is asked about in a round. A line may get another one meanwhile; more is what a liar makes up. */
const MAX_ADDRESSES = 3;

/** The parts of a libp2p node that this works with. */
export interface AutonatComponents {
  peerId: PeerId;
  events: TypedEventTarget<Libp2pEvents>;
  transportManager: TransportManager;
}

interface Vote {
  host: string;
  standing: Standing;
}

/** What an {@link AutonatClient} tells. */
export interface AutonatClientOptions {
  /** An address of the NAT leads to this node, or does not, otherwise than before. */
  onChange: (address: string, standing: Standing) => void;
  log: (level: LogLevel, message: string) => void;
}

interface Witness {
  connection: Connection;
  /** `/ip4/…` or `/ip6/…`: where it sees this node. */
  seenAt: string;
}

/**
 * AutoNAT v1, the client's side: learns whether the address of a NAT, with the port that this node listens on, leads to this
 * node, by having peers dial it.
 *
 * Asked are peers that this node has dialled, on the internet; those of one host count as one. That a peer reached this node
 * is believed when its connection has come in, and not because it says so.
 */
export class AutonatClient {
  readonly #components: AutonatComponents;
  readonly #options: AutonatClientOptions;
  readonly #votes = new AddressVotes();
  /** By the network that each was dialled in, or the name. */
  readonly #witnesses = new Map<string, Witness>();
  /** About which addresses each was asked in this round. */
  readonly #asked = new Map<string, Set<string>>();
  readonly #stop = new AbortController();
  readonly #tasks: TaskSet;
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: AutonatComponents, options: AutonatClientOptions) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskSet((error) => {
      if (!this.#stop.signal.aborted) options.log('debug', `AutoNAT: ${String(error)}`);
    });
  }

  start(): void {
    this.#timer = setInterval(() => this.#beginRound(), ROUND_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#tasks.ended();
  }

  /** A peer that speaks the protocol has told where it sees this node. */
  meet(connection: Connection, observed: Multiaddr): void {
    const seenAt = hostOf(observed);
    if (connection.direction !== 'outbound' || !isDirect(connection)) return;
    if (seenAt === undefined || !isPublicHost(seenAt) || isOwnHost(seenAt)) return;
    const host = hostOf(connection.remoteAddr);
    if (host !== undefined && !isPublicHost(host)) return;
    const key = host === undefined ? connection.remoteAddr.toString() : networkOf(host);
    if (!this.#witnesses.has(key) && this.#witnesses.size >= MAX_WITNESSES) return;
    this.#witnesses.set(key, { connection, seenAt: `/ip${seenAt.includes(':') ? 6 : 4}/${seenAt}` });
    this.#askOn();
  }

  #beginRound(): void {
    for (const [key, { connection }] of this.#witnesses)
      if (connection.status !== 'open') this.#witnesses.delete(key);
    this.#asked.clear();
    this.#votes.beginRound();
    this.#askOn();
  }

  #askOn(): void {
    for (const [key, witness] of shuffled(this.#witnesses)) {
      if (this.#stop.signal.aborted || this.#running >= AT_ONCE) return;
      const address = this.#addressAt(witness.seenAt);
      const asked = this.#asked.get(key) ?? new Set();
      if (address === undefined || asked.has(address) || asked.size >= MAX_ADDRESSES) continue;
      if (witness.connection.status !== 'open' || this.#votes.settled(address)) continue;
      this.#asked.set(key, asked.add(address));
      this.#running++;
      this.#tasks.run(this.#hear(witness.connection, address));
    }
  }

  async #hear(connection: Connection, address: string): Promise<void> {
    try {
      const vote = await this.#ask(connection, multiaddr(address));
      if (!vote) return;
      for (const change of this.#votes.note(networkOf(vote.host), address, vote.standing))
        this.#options.onChange(...change);
    } finally {
      this.#running--;
      this.#askOn();
    }
  }

  /** Undefined: the peer dialled nothing, or nothing came of what it says. */
  async #ask(connection: Connection, address: Multiaddr): Promise<Vote | undefined> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ASK_MS)]);
    using sight = this.#lookFor(connection.remotePeer);
    const stream = await connection.newStream(AUTONAT_PROTOCOL, { signal });
    try {
      const bounds = { maxDataLength: MAX_AUTONAT_BYTES, maxBufferSize: MAX_AUTONAT_BYTES * 2 };
      const messages = lpStream(stream, bounds);
      const peer = this.#components.peerId.toMultihash().bytes;
      await messages.write(encodeDial({ peer, addresses: [address.bytes] }), { signal });
      const status = decodeDialResponse((await messages.read({ signal })).subarray());
      const cameFrom = status === DialStatus.ok ? await sight.within(SIGHT_MS) : undefined;
      await stream.close({ signal });
      if (cameFrom !== undefined) return { host: cameFrom, standing: 'reached' };
      if (status === DialStatus.ok) {
        const name = connection.remotePeer.toString();
        this.#options.log('debug', `AutoNAT: ${name} says that it reached this node, and has not come`);
      }
      // A name may stand for any host, so that one peer could seem to be several.
      const host = hostOf(connection.remoteAddr);
      return status === DialStatus.dialError && host !== undefined
        ? { host, standing: 'unreached' }
        : undefined;
    } catch (error) {
      stream.abort(error as Error);
      throw error;
    }
  }

  /** Waits for a connection of the peer that comes in from the internet, and tells from which host. */
  #lookFor(peer: PeerId): Disposable & { within: (ms: number) => Promise<string | undefined> } {
    const looking = new AbortController();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#components.events.addEventListener(
      'connection:open',
      ({ detail: { direction, remotePeer, remoteAddr } }) => {
        if (direction !== 'inbound' || !remotePeer.equals(peer)) return;
        const host = hostOf(remoteAddr);
        if (host !== undefined && isPublicHost(host)) resolve(host);
      },
      { signal: looking.signal },
    );
    const signal = AbortSignal.any([looking.signal, this.#stop.signal]);
    const within = async (ms: number): Promise<string | undefined> =>
      Promise.race([promise, sleep(ms, signal).then(() => undefined)]);
    return { within, [Symbol.dispose]: () => looking.abort() };
  }

  /** The address there of the port that this node listens on: routers forward a port to the same one, as a rule. */
  #addressAt(host: string): string | undefined {
    const [, family] = host.split('/', 2);
    for (const each of this.#components.transportManager.getAddrs()) {
      const [, own = '', port] = /^\/(ip[46]\/[^/]+)\/tcp\/(\d+)$/.exec(each.toString()) ?? [];
      if (own.startsWith(`${family}/`) && !/^ip4\/127\.|^ip6\/::1$/.test(own)) return `${host}/tcp/${port}`;
    }
    return undefined;
  }
}

function shuffled<K, V>(map: ReadonlyMap<K, V>): [K, V][] {
  return [...map]
    .map((entry) => ({ entry, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}
