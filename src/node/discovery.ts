import type { PeerId, PeerInfo } from '@libp2p/interface';
import { setMaxListeners } from 'node:events';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { dhtProtocol, parseMultiaddr, type ShoalLibp2p } from './libp2p-node.ts';

/** What {@link Discovery} is made from. */
export interface DiscoveryOptions {
  libp2p: ShoalLibp2p;
  network: string;
  /** Multiaddrs of peers to stay connected to. */
  named: readonly string[];
  log: (level: LogLevel, message: string) => void;
}

/** What a search has tried so far: the substance of "nobody has it". */
export interface SearchReport {
  /** Finished walks of the DHT. */
  dhtWalks: number;
  /** Providers that the DHT named. */
  dhtProviders: number;
  /** Nodes heard on the local network since the start. */
  localPeers: number;
  /** Named peers that could not be reached, each with the reason. */
  unreachable: readonly string[];
}

/** Waits between attempts to reach a named peer: doubling from the first to the last. */
const REDIAL_FIRST_MS = 1_000;
const REDIAL_LAST_MS = 30_000;

/** One attempt to reach a named peer; a host that drops packets answers nothing at all. */
const DIAL_TIMEOUT_MS = 10_000;

/** Waits between walks of the DHT for a root nobody is found for yet. */
const SEARCH_FIRST_MS = 500;
const SEARCH_LAST_MS = 30_000;

/** One walk of the DHT, for finding or for providing. */
const WALK_TIMEOUT_MS = 30_000;

/** Walks for providing under way at once. */
const PROVIDE_CONCURRENCY = 4;

/** Records live 48 hours at their keepers (IPFS Kademlia spec), and keepers come and go; a few hours keep it found. */
const REPROVIDE_INTERVAL_MS = 4 * 3_600_000;

/** While the DHT is this small each new member may be the one that others ask: provide again when one comes. */
const SMALL_DHT_PEERS = 20;

/** New members come in bursts; provide once for the burst. */
const REPROVIDE_DEBOUNCE_MS = 500;

/** Nodes heard on the local network are dialled up to this many connections: twice the swarm's degree of 30. */
const MAX_LOCAL_CONNECTIONS = 60;

/**
 * Finds peers: named ones are kept connected, providers are announced to and looked up in the DHT, and nodes
 * heard by mDNS are connected to. What is found goes to the swarm as contacts. Nothing else is ever dialled.
 */
export class Discovery implements AsyncDisposable {
  readonly #libp2p: ShoalLibp2p;
  readonly #options: DiscoveryOptions;
  readonly #stop = new AbortController();
  readonly #provided = new Map<string, CID>();
  readonly #provideQueue = new Set<string>();
  readonly #dhtPeers = new Set<string>();
  readonly #unreachable = new Map<string, string>();
  readonly #localPeers = new Set<string>();
  readonly #wakeSearches = new Set<() => void>();
  readonly #tasks = new Set<Promise<void>>();
  #provideWorkers = 0;
  #debounce: NodeJS.Timeout | undefined;
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
    this.#libp2p.addEventListener(
      'peer:identify',
      (event) => {
        if (!event.detail.protocols.includes(dhtProtocol(this.#options.network))) return;
        this.#dhtPeers.add(event.detail.peerId.toString());
        this.#onDhtPeer();
      },
      { signal },
    );
    this.#libp2p.addEventListener(
      'peer:disconnect',
      (event) => this.#dhtPeers.delete(event.detail.toString()),
      {
        signal,
      },
    );
    for (const address of this.#options.named)
      this.#run(this.#keepConnected([parseMultiaddr(address)], signal));
    this.#reprovide = setInterval(() => this.#provideAll(), REPROVIDE_INTERVAL_MS);
    this.#reprovide.unref();
  }

  /**
   * Connects to the nodes that a link names and stays connected until the signal ends it. Addresses that are
   * none are passed over: a link is somebody else's text.
   */
  reach(addresses: readonly string[], signal: AbortSignal): void {
    const byPeer = new Map<string, Multiaddr[]>();
    for (const address of addresses) {
      try {
        const target = parseMultiaddr(address);
        const peer = peerOf(target) ?? address;
        if (peer === this.#libp2p.peerId.toString()) continue;
        byPeer.set(peer, [...(byPeer.get(peer) ?? []), target]);
      } catch {
        this.#options.log('warn', `the link names "${address}", which is not a multiaddr`);
      }
    }
    const limited = AbortSignal.any([signal, this.#stop.signal]);
    for (const targets of byPeer.values()) this.#run(this.#keepConnected(targets, limited));
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
   * Walks the DHT for providers of a root, again and again, until the signal ends it. Asks anew as soon as the
   * DHT gains a member.
   *
   * @returns a view of what has been tried, kept up to date
   */
  search(root: CID, onContacts: (contacts: Contact[]) => void, signal: AbortSignal): SearchReport {
    const counts = { dhtWalks: 0, dhtProviders: 0 };
    const { dht } = this.#libp2p.services;
    if (dht)
      this.#run(this.#searchLoop(root, onContacts, counts, AbortSignal.any([signal, this.#stop.signal])));
    const localPeers = (): number => this.#localPeers.size;
    const unreachable = (): string[] => [...this.#unreachable].map(([address, why]) => `${address} (${why})`);
    return {
      get dhtWalks() {
        return counts.dhtWalks;
      },
      get dhtProviders() {
        return counts.dhtProviders;
      },
      get localPeers() {
        return localPeers();
      },
      get unreachable() {
        return unreachable();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Ends everything that is under way, and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#debounce);
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

  async #keepConnected(targets: Multiaddr[], signal: AbortSignal): Promise<void> {
    const name = targets.join(' or ');
    let waitMs = REDIAL_FIRST_MS;
    while (!signal.aborted) {
      try {
        const connection = await this.#libp2p.dial(targets, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
        });
        this.#unreachable.delete(name);
        waitMs = REDIAL_FIRST_MS;
        await this.#whenGone(connection.remotePeer, signal);
        if (!signal.aborted) this.#options.log('info', `lost the connection to ${name}`);
      } catch (error) {
        if (signal.aborted) break;
        const why = dialFailure(error);
        if (!this.#unreachable.has(name)) this.#options.log('warn', `cannot reach ${name}: ${why}`);
        this.#unreachable.set(name, why);
      }
      await sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, REDIAL_LAST_MS);
    }
  }

  #whenGone(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = new AbortController();
    const finish = (): void => {
      done.abort();
      resolve();
    };
    signal.addEventListener('abort', finish, { signal: done.signal });
    this.#libp2p.addEventListener(
      'peer:disconnect',
      (event) => {
        if (event.detail.equals(peer)) finish();
      },
      { signal: done.signal },
    );
    if (signal.aborted || this.#libp2p.getConnections(peer).length === 0) finish();
    return promise;
  }

  async #dialLocal(peer: PeerInfo): Promise<void> {
    await this.#libp2p.dial(peer.multiaddrs, {
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
    });
  }

  #onDhtPeer(): void {
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => {
      for (const wake of this.#wakeSearches) wake();
      if (this.#dhtPeers.size <= SMALL_DHT_PEERS) this.#provideAll();
    }, REPROVIDE_DEBOUNCE_MS);
    this.#debounce.unref();
  }

  #provideAll(): void {
    for (const key of this.#provided.keys()) this.#enqueueProvide(key);
  }

  #enqueueProvide(key: string): void {
    if (!this.#libp2p.services.dht || this.#stop.signal.aborted) return;
    this.#provideQueue.add(key);
    if (this.#provideWorkers < PROVIDE_CONCURRENCY) this.#run(this.#provideWorker());
  }

  async #provideWorker(): Promise<void> {
    this.#provideWorkers++;
    try {
      for (const key of this.#provideQueue) {
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

  async #searchLoop(
    root: CID,
    onContacts: (contacts: Contact[]) => void,
    counts: { dhtWalks: number; dhtProviders: number },
    signal: AbortSignal,
  ): Promise<void> {
    const seen = new Set<string>();
    let waitMs = SEARCH_FIRST_MS;
    while (!signal.aborted) {
      const before = seen.size;
      await this.#walk(root, signal, (contact) => {
        if (!seen.has(contact.peer)) counts.dhtProviders++;
        seen.add(contact.peer);
        onContacts([contact]);
      });
      counts.dhtWalks++;
      waitMs = seen.size > before ? SEARCH_FIRST_MS : Math.min(waitMs * 2, SEARCH_LAST_MS);
      const woken = await this.#sleepOrWake(waitMs, signal);
      if (woken) waitMs = SEARCH_FIRST_MS;
    }
  }

  async #walk(root: CID, signal: AbortSignal, onContact: (contact: Contact) => void): Promise<void> {
    const self = this.#libp2p.peerId;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(WALK_TIMEOUT_MS)]);
    try {
      for await (const event of this.#libp2p.services.dht?.findProviders(root, { signal: limited }) ?? []) {
        if (event.name !== 'PROVIDER') continue;
        for (const provider of event.providers) {
          if (provider.id.equals(self)) continue;
          onContact({ peer: provider.id.toString(), addresses: provider.multiaddrs.map(String) });
        }
      }
    } catch (error) {
      if (!signal.aborted)
        this.#options.log('debug', `DHT: no answer for ${root.toString()}: ${String(error)}`);
    }
  }

  /** @returns whether the DHT gained a member meanwhile */
  async #sleepOrWake(ms: number, signal: AbortSignal): Promise<boolean> {
    const wakened = new AbortController();
    let woken = false;
    const wake = (): void => {
      woken = true;
      wakened.abort();
    };
    this.#wakeSearches.add(wake);
    await sleep(ms, AbortSignal.any([signal, wakened.signal]));
    this.#wakeSearches.delete(wake);
    return woken;
  }
}

/** The peer id a multiaddr ends in, base58. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value;
}

/** Resolves after `ms`, or when the signal aborts: never rejects. Keeps no process alive. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(finish, ms);
  timer.unref();
  signal.addEventListener('abort', finish, { once: true });
  function finish(): void {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
    resolve();
  }
  return promise;
}

/** The heart of libp2p's dial errors, which bundle one error an address. */
export function dialFailure(error: unknown): string {
  const inner = error instanceof AggregateError ? error.errors : [error];
  const texts = inner.map((each: unknown) => (each instanceof Error ? each.message : String(each)));
  const known = texts.find((text) => /E[A-Z]{4,}/.test(text)) ?? texts[0] ?? 'unknown reason';
  if (known.includes('ECONNREFUSED')) return 'nothing listens there';
  if (known.includes('EHOSTUNREACH') || known.includes('ENETUNREACH')) return 'no route to it';
  if (/abort|timed? ?out/i.test(known)) return 'no answer';
  return known.split('\n', 1)[0] ?? known;
}
