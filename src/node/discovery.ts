import type { Multiaddr } from '@multiformats/multiaddr';
import { setMaxListeners } from 'main-event';
import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import { Slots } from '../store/bounded.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { isDirect } from '../swarm/direct-connection.ts';
import { letExit } from '../swarm/let-exit.ts';
import { controlProtocol } from '../swarm/link-table.ts';
import type { Announcer } from './announcer.ts';
import { DhtSearch, type OnContacts } from './dht-search.ts';
import { DialTarget } from './dial-target.ts';
import { endRelayed } from './end-relayed.ts';
import type { LocalPeers } from './local-peers.ts';
import { dhtProtocol, parseMultiaddr, type ShoalLibp2p } from './shoal-libp2p.ts';
import type { SearchState } from './search-report.ts';
import { TaskSet } from './task-set.ts';

/** What {@link Discovery} is made from. */
export interface DiscoveryOptions {
  libp2p: ShoalLibp2p;
  network: string;
  /** Multiaddrs of peers to stay connected to. */
  named: readonly string[];
  /** Announces in the DHT what is provided; started and stopped with this. Default: nothing is announced. */
  announcer?: Announcer;
  /** Who is heard on the local network; stopped with this. Default: it is not listened to. */
  local?: LocalPeers;
  /** Whether this node has a transport for an address. Default: for all. */
  canDial?: (address: string) => boolean;
  /** Nodes of the DHT from earlier, to come back to. Default: none. */
  earlierNodes?: () => Promise<readonly Contact[]>;
  /** Those of them that are not connected are dialled so often. Default: 600,000 ms. */
  lookAgainMs?: number;
  /** The order in which a peer's addresses are dialled. Default: as they come. */
  inOrder?: (addresses: readonly Multiaddr[]) => Multiaddr[];
  log: (level: LogLevel, message: string) => void;
}

/** Where to look for an asset. */
export interface SearchPlaces {
  /** Addresses that a link names. */
  addresses: readonly string[];
  /** Peers of its swarm from earlier runs. */
  earlier: readonly Contact[];
}

/**
 * Nodes of the DHT from earlier that are not connected are dialled so often, once each. A network that fell in two, as where a
 * line between two places was down, stayed two for ever: each part still had others, and those that could not be reached had left
 * its tables.
 */
const LOOK_AGAIN_MS = 600_000;

/** New members wake searches that found nobody, once for a burst. */
const WAKE_DEBOUNCE_MS = 500;

/**
 * Peers of earlier runs that a node which serves tries to get back to at a time, or has got back to, over all its assets: twice
 * the degree. The others wait in line for those that are gone.
 */
const MAX_REJOINED = 60;
const MAX_IN_LINE = 1024;

/**
 * Walks of the DHT begun at a time. Each asks three nodes at once, and a node takes 128 streams on a connection: an application
 * that opened hundreds of assets had most of its walks refused, which all began anew, and took most of the processor's time.
 */
const WALKS_AT_ONCE = 32;

/** Peers remembered to be of another network; beyond that the oldest is asked again. */
const MAX_FOREIGN = 1024;

/**
 * Finds peers: named ones are kept connected, providers are announced to and looked up in the DHT, and nodes
 * heard by mDNS and those of earlier runs are connected to. What is found goes to the swarm as contacts. Nothing else is ever dialled.
 */
export class Discovery implements AsyncDisposable {
  readonly #libp2p: ShoalLibp2p;
  readonly #options: DiscoveryOptions;
  readonly #stop = new AbortController();
  readonly #dhtPeers = new Set<string>();
  readonly #named: DialTarget[] = [];
  /** Peers of earlier runs that are being dialled to come back to swarms that are served, and to the DHT. */
  readonly #rejoining = new Set<string>();
  /** Those that wait for a place; and of the places how many are taken by who is dialled, and by who came back. */
  readonly #line = new Map<string, Contact>();
  #coming = 0;
  #back = 0;
  /** Peers that turned out not to speak this network's protocol. */
  readonly #foreign = new Set<string>();
  /** By root, and how many look for it: one search walks for all of them. */
  readonly #searches = new Map<string, { dht: DhtSearch; users: number; ended: AbortController }>();
  readonly #walks = new Slots(WALKS_AT_ONCE);
  readonly #tasks: TaskSet;
  #debounce: NodeJS.Timeout | undefined;
  #lookAgain: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#tasks = new TaskSet((error) => {
      if (!this.#stop.signal.aborted) options.log('debug', `discovery: ${String(error)}`);
    });
    this.#libp2p = options.libp2p;
    // Every search and every walk listens for the stop.
    setMaxListeners(Infinity, this.#stop.signal);
  }

  /** Begins to dial the named peers and to follow the DHT's membership. The node must be started. */
  start(): void {
    const { signal } = this.#stop;
    endRelayed(this.#libp2p, signal);
    this.#libp2p.addEventListener(
      'peer:identify',
      (event) => {
        const { peerId, protocols, connection } = event.detail;
        const peer = peerId.toString();
        this.#noteNetwork(peer, protocols);
        // The DHT does not go through relays.
        if (!protocols.includes(dhtProtocol(this.#options.network)) || !isDirect(connection)) return;
        // It may be gone by now, and would count as connected for good.
        if (this.#libp2p.getConnections(peerId).length === 0) return;
        // Peers introduce themselves again whenever their addresses change, and on each connection.
        if (this.#dhtPeers.has(peer)) return;
        this.#dhtPeers.add(peer);
        this.#onDhtPeer();
      },
      { signal },
    );
    this.#libp2p.addEventListener(
      'peer:disconnect',
      (event) => {
        const wasOne = this.#dhtPeers.delete(event.detail.toString());
        this.#options.announcer?.memberLeft(event.detail.toString(), this.#dhtPeers.size);
        if (wasOne && this.#dhtPeers.size === 0) this.#tasks.run(this.rejoinDht());
      },
      {
        signal,
      },
    );
    for (const address of this.#options.named) {
      const target = this.#target('peers', [parseMultiaddr(address)]);
      this.#named.push(target);
      this.#tasks.run(target.keepConnected(signal));
    }
    this.#options.announcer?.start();
    if (!this.#libp2p.services.dht || !this.#options.earlierNodes) return;
    const { lookAgainMs = LOOK_AGAIN_MS } = this.#options;
    this.#lookAgain = setInterval(() => this.#tasks.run(this.#dialMissing()), lookAgainMs);
    letExit(this.#lookAgain);
  }

  /** Nodes of the DHT that are connected. */
  get dhtPeers(): ReadonlySet<string> {
    return this.#dhtPeers;
  }

  /**
   * Dials nodes of the DHT from earlier: through any of them all others are found. At the start, and whenever the last one is
   * gone, as when a machine had no network for a while: the DHT itself asks those that it knows every five minutes only, and
   * forgets within a day where they are.
   */
  async rejoinDht(): Promise<void> {
    if (!this.#libp2p.services.dht) return;
    for (const node of (await this.#options.earlierNodes?.()) ?? []) {
      // From then on it is dialled with the others that are missing.
      const coming = this.#rejoin(node, () => true);
      if (coming) this.#tasks.run(coming);
    }
  }

  /**
   * Dials peers of earlier runs until each was connected once: then the exchange keeps what it needs.
   *
   * @param swarms the peers of each swarm, the most promising first: each swarm has its turn before any has a second
   */
  rejoin(swarms: readonly (readonly Contact[])[]): void {
    const most = Math.max(0, ...swarms.map((contacts) => contacts.length));
    for (let rank = 0; rank < most; rank++) {
      for (const contacts of swarms) {
        const contact = contacts[rank];
        if (contact && this.#line.size < MAX_IN_LINE) this.#line.set(contact.peer, contact);
      }
    }
    this.#back = 0;
    this.#takePlaces();
  }

  /** Announces this node as a provider of a root, now and again while it runs. Root CIDs only. */
  provide(root: CID): void {
    this.#options.announcer?.provide(root);
  }

  /** Stops announcing a root. Its records at others run out by themselves. */
  unprovide(root: CID): void {
    this.#options.announcer?.unprovide(root);
  }

  /**
   * Looks for peers that have a root, until the signal ends it: dials the link's addresses and peers of earlier runs,
   * and walks the DHT again and again, at once when it gains a member.
   *
   * @param onContacts told of every provider that the DHT names. While a root is looked for more than once, as by readers of one
   *   asset, the DHT is walked for all of them together: only the first one's is called, and its `hasEnough`
   * @param hasEnough whether the asset's swarm is found, so that the DHT is asked seldom
   * @returns what has been tried, kept up to date; the swarm's part is the caller's to add
   */
  search(
    root: CID,
    places: SearchPlaces,
    onContacts: OnContacts,
    hasEnough: () => boolean,
    signal: AbortSignal,
  ): Omit<SearchState, 'swarm'> {
    const limited = AbortSignal.any([signal, this.#stop.signal]);
    const targets = [...this.#linkTargets(places.addresses)];
    for (const target of targets) this.#tasks.run(target.keepConnected(limited));
    for (const contact of places.earlier) {
      const target = this.#earlierTarget(contact);
      if (!target) continue;
      targets.push(target);
      this.#tasks.run(target.connectOnce(limited));
    }
    const mayReach = (): boolean =>
      targets.some(({ isReached, failures }) => isReached || failures.size === 0);
    const dht = this.#libp2p.services.dht && this.#walking(root, onContacts, hasEnough, limited, mayReach);
    return this.#stateOf(targets, dht);
  }

  /** The search of the DHT for a root, which ends when the signals of all who look for it have aborted. */
  #walking(
    root: CID,
    onContacts: OnContacts,
    hasEnough: () => boolean,
    signal: AbortSignal,
    mayReach: () => boolean,
  ): DhtSearch {
    const text = root.toString();
    let search = this.#searches.get(text);
    if (search) search.dht.join();
    else {
      const ended = new AbortController();
      const dht = new DhtSearch(this.#libp2p, root, this.#options.log, this.#walks);
      search = { dht, users: 0, ended };
      this.#searches.set(text, search);
      this.#tasks.run(dht.run(onContacts, hasEnough, ended.signal, mayReach));
    }
    const { dht, ended } = search;
    search.users++;
    const leave = (): void => {
      if (--search.users > 0) return;
      this.#searches.delete(text);
      ended.abort();
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    return dht;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Ends everything that is under way, and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#debounce);
    clearInterval(this.#lookAgain);
    await this.#options.announcer?.stop();
    await this.#options.local?.stop();
    await this.#tasks.ended();
  }

  /** Addresses that are none are passed over: a link is somebody else's text. */
  #linkTargets(addresses: readonly string[]): DialTarget[] {
    const byPeer = new Map<string, Multiaddr[]>();
    for (const address of addresses) {
      try {
        const target = parseMultiaddr(address);
        if (!this.#canDial(address)) continue;
        const peer = peerOf(target) ?? address;
        if (peer === this.#libp2p.peerId.toString()) continue;
        byPeer.set(peer, [...(byPeer.get(peer) ?? []), target]);
      } catch {
        this.#options.log('warn', `the link names "${address}", which is not a multiaddr`);
      }
    }
    return [...byPeer.values()].map((targets) => this.#target('link', targets));
  }

  #earlierTarget({ peer, addresses }: Contact): DialTarget | undefined {
    if (peer === this.#libp2p.peerId.toString()) return undefined;
    const dialable = addresses.filter((address) => this.#canDial(address));
    if (dialable.length === 0) return undefined;
    try {
      return this.#target(
        'earlier',
        dialable.map((address) => parseMultiaddr(`${address}/p2p/${peer}`)),
      );
    } catch {
      return undefined;
    }
  }

  #canDial(address: string): boolean {
    return this.#options.canDial?.(address) ?? true;
  }

  #target(way: DialTarget['way'], addresses: readonly Multiaddr[]): DialTarget {
    const [first] = addresses;
    const { inOrder, log } = this.#options;
    const host = { libp2p: this.#libp2p, log };
    return new DialTarget(host, way, inOrder?.(addresses) ?? addresses, first && peerOf(first));
  }

  /** Dials each node of the DHT from earlier that is not connected, one after another. */
  async #dialMissing(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      for (const node of (await this.#options.earlierNodes?.()) ?? []) {
        if (this.#stop.signal.aborted) return;
        if (this.#dhtPeers.has(node.peer) || this.#rejoining.has(node.peer)) continue;
        await this.#earlierTarget(node)?.tryOnce(this.#stop.signal);
      }
    } finally {
      this.#isLooking = false;
    }
  }

  /** Dials those in line, as many as there are places. Who does not come lets the next one have its place after a while. */
  #takePlaces(): void {
    for (const [peer, contact] of this.#line) {
      if (this.#coming + this.#back >= MAX_REJOINED) return;
      this.#line.delete(peer);
      const coming = this.#rejoin(contact, () => this.#line.size > 0);
      if (!coming) continue;
      this.#coming++;
      this.#tasks.run(
        coming.then((isBack) => {
          this.#coming--;
          if (isBack) this.#back++;
          if (isBack || this.#stop.signal.aborted) return;
          this.#line.set(peer, contact);
          this.#takePlaces();
        }),
      );
    }
  }

  /** @returns whether it came back; undefined: it is being dialled already, or cannot be */
  #rejoin(contact: Contact, mayLeave?: () => boolean): Promise<boolean> | undefined {
    if (this.#rejoining.has(contact.peer)) return undefined;
    const target = this.#earlierTarget(contact);
    if (!target) return undefined;
    this.#rejoining.add(contact.peer);
    return target
      .connectOnce(this.#stop.signal, mayLeave)
      .finally(() => this.#rejoining.delete(contact.peer));
  }

  #stateOf(targets: DialTarget[], dht: DhtSearch | undefined): Omit<SearchState, 'swarm'> {
    const libp2p = this.#libp2p;
    const dhtPeers = (): number => this.#dhtPeers.size;
    const localPeers = (): number | undefined => this.#options.local?.count;
    return {
      targets,
      named: this.#named,
      dht,
      get dhtPeers() {
        return dhtPeers();
      },
      get localPeers() {
        return localPeers();
      },
      isForeign: (peer) => this.#foreign.has(peer),
      isConnected: (peer) => libp2p.getConnections().some(({ remotePeer }) => remotePeer.toString() === peer),
    };
  }

  #noteNetwork(peer: string, protocols: readonly string[]): void {
    this.#foreign.delete(peer);
    if (protocols.includes(controlProtocol(this.#options.network))) return;
    if (this.#foreign.size >= MAX_FOREIGN)
      this.#foreign.delete(this.#foreign.values().next().value as string);
    this.#foreign.add(peer);
  }

  #onDhtPeer(): void {
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => {
      for (const { dht } of this.#searches.values()) dht.wake();
    }, WAKE_DEBOUNCE_MS);
    letExit(this.#debounce);
    this.#options.announcer?.memberCame(this.#dhtPeers.size);
  }
}

/** The peer id a multiaddr ends in, base58. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value;
}
