import type { PeerInfo } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { setMaxListeners } from 'main-event';
import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { letExit } from '../swarm/let-exit.ts';
import { controlProtocol } from '../swarm/link-table.ts';
import { DhtSearch, WALK_TIMEOUT_MS } from './dht-search.ts';
import { DialTarget } from './dial-target.ts';
import { endRelayed } from './end-relayed.ts';
import type { ProvideSweep } from './provide-sweep.ts';
import { dhtProtocol, parseMultiaddr, type ShoalLibp2p } from './shoal-libp2p.ts';
import type { SearchState } from './search-report.ts';

/** What {@link Discovery} is made from. */
export interface DiscoveryOptions {
  libp2p: ShoalLibp2p;
  network: string;
  /** Multiaddrs of peers to stay connected to. */
  named: readonly string[];
  /** Whether the local network is listened to. Default false. */
  mdns?: boolean;
  /** Whether this node has a transport for an address. Default: for all. */
  canDial?: (address: string) => boolean;
  log: (level: LogLevel, message: string) => void;
}

/** Where to look for an asset. */
export interface SearchPlaces {
  /** Addresses that a link names. */
  addresses: readonly string[];
  /** Peers of its swarm from earlier runs. */
  earlier: readonly Contact[];
}

/** One connection attempt to a node heard on the local network. */
const DIAL_TIMEOUT_MS = 10_000;

/** From so many roots on that wait they are announced together: see `ProvideSweep`. */
const SWEEP_ROOTS = 16;

/** Walks for providing under way at once. */
const PROVIDE_CONCURRENCY = 4;

/** Records live 48 hours at their keepers (IPFS Kademlia spec), and keepers come and go; a few hours keep it found. */
const REPROVIDE_INTERVAL_MS = 4 * 3_600_000;

/** While the DHT is this small each new member may be the one that others ask: provide again when one comes. */
const SMALL_DHT_PEERS = 20;

/**
 * New members come in bursts: providing waits until none has come for so long, times the members there are (half a
 * second for the first, five seconds for a crowd of ten). It costs a walk and a message to every node of a small DHT, for
 * each root, and a crowd that forms has better to do.
 */
const PROVIDE_QUIET_MS = 500;

/** They may come in a stream: then it waits so long at most. */
const PROVIDE_LATEST_MS = 15_000;

/** New members wake searches that found nobody, once for a burst. */
const WAKE_DEBOUNCE_MS = 500;

/** Nodes heard on the local network are dialled up to this many connections: twice the swarm's degree of 30. */
const MAX_LOCAL_CONNECTIONS = 60;

/** Peers of earlier runs that a node which serves tries to get back to, over all its assets: twice the degree. */
const MAX_REJOINED = 60;

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
  readonly #provided = new Map<string, CID>();
  readonly #provideQueue = new Set<string>();
  readonly #dhtPeers = new Set<string>();
  readonly #named: DialTarget[] = [];
  /** Peers of earlier runs that are being dialled to come back to swarms that are served. */
  readonly #rejoining = new Set<string>();
  /** Peers that turned out not to speak this network's protocol. */
  readonly #foreign = new Set<string>();
  readonly #localPeers = new Set<string>();
  readonly #searches = new Set<DhtSearch>();
  readonly #tasks = new Set<Promise<void>>();
  #provideWorkers = 0;
  /** Made when many roots are announced for the first time. */
  #sweep: ProvideSweep | undefined;
  #isSweeping = false;
  /** When the last member of a small DHT came, and since when providing waits for quiet. */
  #memberAtMs = -Infinity;
  #unquietSinceMs = -Infinity;
  #debounce: NodeJS.Timeout | undefined;
  #provideTimer: NodeJS.Timeout | undefined;
  #reprovide: NodeJS.Timeout | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
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
        this.#noteNetwork(event.detail.peerId.toString(), event.detail.protocols);
        if (!event.detail.protocols.includes(dhtProtocol(this.#options.network))) return;
        this.#dhtPeers.add(event.detail.peerId.toString());
        this.#onDhtPeer();
      },
      { signal },
    );
    this.#libp2p.addEventListener(
      'peer:disconnect',
      (event) => {
        this.#dhtPeers.delete(event.detail.toString());
        this.#sweep?.forget(event.detail.toString());
      },
      {
        signal,
      },
    );
    for (const address of this.#options.named) {
      const target = this.#target('peers', [parseMultiaddr(address)]);
      this.#named.push(target);
      this.#run(target.keepConnected(signal));
    }
    this.#reprovide = setInterval(() => {
      this.#sweep?.forgetAll();
      this.#provideAll();
    }, REPROVIDE_INTERVAL_MS);
    letExit(this.#reprovide);
  }

  /** Nodes of the DHT that are connected. */
  get dhtPeers(): ReadonlySet<string> {
    return this.#dhtPeers;
  }

  /** Nodes of the DHT from an earlier run: through any of them all others are found. */
  rejoinDht(nodes: readonly Contact[]): void {
    if (!this.#libp2p.services.dht) return;
    for (const node of nodes) this.#rejoin(node);
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
        if (contact && this.#rejoining.size < MAX_REJOINED) this.#rejoin(contact);
      }
    }
  }

  /** A node heard on the local network: connect to it, so that links can ask it. */
  handleLocalPeer(peer: PeerInfo): void {
    const id = peer.id.toString();
    if (this.#stop.signal.aborted || id === this.#libp2p.peerId.toString()) return;
    this.#localPeers.add(id);
    if (this.#libp2p.getConnections().length >= MAX_LOCAL_CONNECTIONS) return;
    if (this.#libp2p.getConnections(peer.id).length > 0) return;
    this.#run(this.#dialLocal(peer));
  }

  /** Announces this node as a provider of a root, now and again while it runs. Root CIDs only. */
  provide(root: CID): void {
    const key = root.toString();
    if (this.#provided.has(key)) return;
    this.#provided.set(key, root);
    this.#enqueueProvide(key);
  }

  /** Stops announcing a root. Its records at others run out by themselves. */
  unprovide(root: CID): void {
    const key = root.toString();
    if (!this.#provided.delete(key)) return;
    this.#provideQueue.delete(key);
    const dht = this.#libp2p.services.dht;
    if (dht) this.#run(dht.cancelReprovide(root));
  }

  /**
   * Looks for peers that have a root, until the signal ends it: dials the link's addresses and peers of earlier runs,
   * and walks the DHT again and again, at once when it gains a member.
   *
   * @param onContacts told of every provider that the DHT names
   * @param hasEnough whether the asset's swarm is found, so that the DHT is asked seldom
   * @returns what has been tried, kept up to date; the swarm's part is the caller's to add
   */
  search(
    root: CID,
    places: SearchPlaces,
    onContacts: (contacts: Contact[]) => void,
    hasEnough: () => boolean,
    signal: AbortSignal,
  ): Omit<SearchState, 'swarm'> {
    const limited = AbortSignal.any([signal, this.#stop.signal]);
    const targets = [...this.#linkTargets(places.addresses)];
    for (const target of targets) this.#run(target.keepConnected(limited));
    for (const contact of places.earlier) {
      const target = this.#earlierTarget(contact);
      if (!target) continue;
      targets.push(target);
      this.#run(target.connectOnce(limited));
    }
    const dht = this.#libp2p.services.dht && new DhtSearch(this.#libp2p, root, this.#options.log);
    if (dht) {
      this.#searches.add(dht);
      const mayReach = (): boolean =>
        targets.some(({ isReached, failures }) => isReached || failures.size === 0);
      const walking = dht.run(onContacts, hasEnough, limited, mayReach);
      this.#run(walking.finally(() => this.#searches.delete(dht)));
    }
    return this.#stateOf(targets, dht);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Ends everything that is under way, and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#debounce);
    clearTimeout(this.#provideTimer);
    clearInterval(this.#reprovide);
    this.#provideQueue.clear();
    await Promise.allSettled([...this.#tasks]);
  }

  #run(task: Promise<void>): void {
    const tracked = task
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#options.log('debug', `discovery: ${String(error)}`);
      })
      .finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
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
    try {
      return this.#target(
        'earlier',
        addresses
          .filter((address) => this.#canDial(address))
          .map((address) => parseMultiaddr(`${address}/p2p/${peer}`)),
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
    const { log } = this.#options;
    return new DialTarget({ libp2p: this.#libp2p, log }, way, addresses, first && peerOf(first));
  }

  #rejoin(contact: Contact): void {
    if (this.#rejoining.has(contact.peer)) return;
    const target = this.#earlierTarget(contact);
    if (!target) return;
    this.#rejoining.add(contact.peer);
    this.#run(target.connectOnce(this.#stop.signal).finally(() => this.#rejoining.delete(contact.peer)));
  }

  #stateOf(targets: DialTarget[], dht: DhtSearch | undefined): Omit<SearchState, 'swarm'> {
    const libp2p = this.#libp2p;
    const dhtPeers = (): number => this.#dhtPeers.size;
    const localPeers = (): number | undefined => (this.#options.mdns ? this.#localPeers.size : undefined);
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

  async #dialLocal(peer: PeerInfo): Promise<void> {
    await this.#libp2p.dial(peer.multiaddrs, {
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
    });
  }

  #onDhtPeer(): void {
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => {
      for (const search of this.#searches) search.wake();
    }, WAKE_DEBOUNCE_MS);
    letExit(this.#debounce);
    if (this.#dhtPeers.size > SMALL_DHT_PEERS) return;
    const nowMs = performance.now();
    if (this.#quietAtMs <= nowMs) this.#unquietSinceMs = nowMs;
    this.#memberAtMs = nowMs;
    for (const key of this.#provided.keys()) this.#provideQueue.add(key);
    this.#provideWhenQuiet();
  }

  /** When no member of the DHT will have come for long enough. */
  get #quietAtMs(): number {
    const members = Math.min(this.#dhtPeers.size, SMALL_DHT_PEERS);
    return Math.min(this.#memberAtMs + PROVIDE_QUIET_MS * members, this.#unquietSinceMs + PROVIDE_LATEST_MS);
  }

  #provideAll(): void {
    for (const key of this.#provided.keys()) this.#enqueueProvide(key);
  }

  #enqueueProvide(key: string): void {
    if (!this.#libp2p.services.dht || this.#stop.signal.aborted) return;
    this.#provideQueue.add(key);
    this.#provideWhenQuiet();
  }

  #provideWhenQuiet(): void {
    clearTimeout(this.#provideTimer);
    const waitMs = this.#quietAtMs - performance.now();
    if (waitMs > 0) {
      this.#provideTimer = setTimeout(() => this.#provideWhenQuiet(), waitMs);
      letExit(this.#provideTimer);
      return;
    }
    if (this.#isSweeping) return;
    if (this.#provideQueue.size >= SWEEP_ROOTS) return this.#run(this.#provideMany());
    const workers = Math.min(PROVIDE_CONCURRENCY - this.#provideWorkers, this.#provideQueue.size);
    for (let n = 0; n < workers; n++) this.#run(this.#provideWorker());
  }

  /** Announces all that wait, together. What comes meanwhile waits for its end. */
  async #provideMany(): Promise<void> {
    this.#isSweeping = true;
    try {
      const { ProvideSweep } = await import('./provide-sweep.ts');
      this.#sweep ??= new ProvideSweep(this.#libp2p, this.#options.network, this.#options.log);
      const roots = [...this.#provideQueue].flatMap((key) => this.#provided.get(key) ?? []);
      this.#provideQueue.clear();
      await this.#sweep.run(roots, this.#stop.signal);
    } finally {
      this.#isSweeping = false;
    }
    if (!this.#stop.signal.aborted && this.#provideQueue.size > 0) this.#provideWhenQuiet();
  }

  async #provideWorker(): Promise<void> {
    this.#provideWorkers++;
    try {
      for (const key of this.#provideQueue) {
        // New members have come, and the timer goes on with it; or many roots have, which go together.
        if (this.#quietAtMs > performance.now() || this.#isSweeping) return;
        this.#provideQueue.delete(key);
        const root = this.#provided.get(key);
        if (root) await this.#provideOnce(root);
      }
    } finally {
      this.#provideWorkers--;
    }
  }

  async #provideOnce(root: CID): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(WALK_TIMEOUT_MS)]);
    try {
      for await (const _ of this.#libp2p.services.dht?.provide(root, { signal }) ?? [])
        signal.throwIfAborted();
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#options.log('debug', `could not provide ${root.toString()}: ${String(error)}`);
    }
  }
}

/** The peer id a multiaddr ends in, base58. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value;
}
