import type { Libp2p, PeerId, StreamHandler } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { ModelConnection, type Host, type Terms } from './connection.ts';
import { Actor } from './virtual-time.ts';

/** libp2p's own limit for a dial at which nothing answers. */
const SILENT_DIAL_MS = 6000;

/** Identify comes so long after a connection. */
const IDENTIFY_MS = 100;

/** A handshake takes as many times the latency. */
const HANDSHAKE_TRIPS = 3;

/** What a network needs to know besides its terms. */
export interface NetworkOptions extends Terms {
  /** Between two hosts, one way. */
  latencyMs(a: PeerId, b: PeerId): number;
  /** A dial makes another connection where there is one. */
  dialsTwice: boolean;
}

/** All hosts and what connects them. */
export class Network {
  readonly options: NetworkOptions;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #cut = new Set<string>();
  #connections = 0;

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  /** A host comes up, as it was before or for the first time. */
  add(init: EndpointInit): Endpoint {
    const endpoint = new Endpoint(this, init);
    this.#endpoints.set(init.peerId.toString(), endpoint);
    return endpoint;
  }

  /** The host that is up. */
  find(peer: string): Endpoint | undefined {
    const endpoint = this.#endpoints.get(peer);
    return endpoint?.actor.isOver ? undefined : endpoint;
  }

  /** No dial comes through between the two, until they are joined again; connections are the caller's to cut. */
  cut(a: PeerId, b: PeerId): void {
    this.#cut.add(pairOf(a, b));
  }

  mend(a: PeerId, b: PeerId): void {
    this.#cut.delete(pairOf(a, b));
  }

  mendAll(): void {
    this.#cut.clear();
  }

  isCut(a: PeerId, b: PeerId): boolean {
    return this.#cut.has(pairOf(a, b));
  }

  /** Connects two hosts: the one that was dialled knows first. */
  connect(from: Endpoint, to: Endpoint, onOpen: (connection: ModelConnection) => void): void {
    const { time, latencyMs } = this.options;
    const wire = { latencyMs: latencyMs(from.peerId, to.peerId), isDead: false };
    const id = `connection ${this.#connections++}`;
    const [opener, taker] = ModelConnection.pair(this.options, wire, id, from, to);
    to.opened(taker, from);
    time.after(wire.latencyMs, from.actor, () => {
      if (opener.status !== 'open') return;
      from.opened(opener, to);
      onOpen(opener);
    });
  }
}

/** The same for both directions. */
export function pairOf(a: PeerId, b: PeerId): string {
  return [a.toString(), b.toString()].sort().join(' ');
}

export interface EndpointInit {
  peerId: PeerId;
  address: Multiaddr;
  bytesPerMs: number;
  downBytesPerMs: number;
  /** What its connection gate says. */
  isBanned: (peer: string) => boolean;
}

/** A host from when it comes up until it goes down. */
export class Endpoint implements Host {
  readonly actor = new Actor();
  readonly peerId: PeerId;
  readonly address: Multiaddr;
  readonly bytesPerMs: number;
  readonly downBytesPerMs: number;
  readonly isBanned: (peer: string) => boolean;
  readonly handlers = new Map<string, StreamHandler>();
  readonly connections = new Set<ModelConnection>();
  readonly libp2p: ModelLibp2p;
  busyUntilMs = 0;
  downBusyUntilMs = 0;
  messagesSent = 0;
  readonly #network: Network;

  constructor(network: Network, { peerId, address, bytesPerMs, downBytesPerMs, isBanned }: EndpointInit) {
    this.#network = network;
    this.peerId = peerId;
    this.address = address;
    this.bytesPerMs = bytesPerMs;
    this.downBytesPerMs = downBytesPerMs;
    this.isBanned = isBanned;
    this.libp2p = new ModelLibp2p(this);
  }

  /** It is down: its connections end, and nothing of it goes on. */
  end(): void {
    const { time } = this.#network.options;
    for (const connection of [...this.connections]) {
      time.as(this.actor, () => connection.abort(new Error('the node has stopped')));
    }
    this.actor.isOver = true;
  }

  opened(connection: ModelConnection, other: Endpoint): void {
    this.connections.add(connection);
    this.libp2p.dispatchEvent(new CustomEvent('connection:open', { detail: connection }));
    this.#network.options.time.after(IDENTIFY_MS, this.actor, () => this.libp2p.identified(other));
  }

  /** @throws the abort reason, or why the other cannot be reached */
  dial(peer: string, signal?: AbortSignal): Promise<ModelConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<ModelConnection>();
    // What a dead process began goes no further.
    if (this.actor.isOver) return promise;
    signal?.throwIfAborted();
    const open = [...this.connections].find((each) => each.remotePeer.toString() === peer);
    if (open && !this.#network.options.dialsTwice) return Promise.resolve(open);
    signal?.addEventListener('abort', () => reject(signal.reason));
    const other = this.#network.find(peer);
    if (!other || this.#network.isCut(this.peerId, other.peerId)) this.#failSoon(reject);
    else this.#shakeHands(other, { resolve, reject, signal });
    return promise;
  }

  /** Refused, or nothing answers. */
  #failSoon(reject: (error: Error) => void): void {
    const { time, rng } = this.#network.options;
    const isRefused = rng() < 0.5;
    const error = new Error(isRefused ? 'connection refused' : 'timed out');
    time.after(isRefused ? IDENTIFY_MS : SILENT_DIAL_MS, this.actor, () => reject(error));
  }

  #shakeHands(
    other: Endpoint,
    dial: {
      resolve: (connection: ModelConnection) => void;
      reject: (error: Error) => void;
      signal: AbortSignal | undefined;
    },
  ): void {
    const { time, latencyMs } = this.#network.options;
    const tripMs = latencyMs(this.peerId, other.peerId);
    time.after(tripMs * HANDSHAKE_TRIPS, other.actor, () => {
      if (this.actor.isOver || dial.signal?.aborted) return;
      if (!other.isBanned(this.peerId.toString())) return this.#network.connect(this, other, dial.resolve);
      time.after(tripMs, this.actor, () => dial.reject(new Error('denied')));
    });
  }
}

/** As much of libp2p as the shell uses. */
class ModelLibp2p extends EventTarget {
  readonly peerId: PeerId;
  readonly peerStore = { get: (peer: PeerId) => this.#stored(peer) };
  readonly #endpoint: Endpoint;
  readonly #known = new Map<string, { id: PeerId; addresses: { multiaddr: Multiaddr }[] }>();

  constructor(endpoint: Endpoint) {
    super();
    this.#endpoint = endpoint;
    this.peerId = endpoint.peerId;
  }

  /** For the shell. */
  get asLibp2p(): Libp2p {
    return this as unknown as Libp2p;
  }

  async handle(protocol: string, handler: StreamHandler): Promise<void> {
    this.#endpoint.handlers.set(protocol, handler);
  }

  async unhandle(protocols: string[]): Promise<void> {
    for (const protocol of protocols) this.#endpoint.handlers.delete(protocol);
  }

  getConnections(peer?: PeerId): ModelConnection[] {
    const all = [...this.#endpoint.connections];
    return peer ? all.filter(({ remotePeer }) => remotePeer.equals(peer)) : all;
  }

  getMultiaddrs(): Multiaddr[] {
    return [this.#endpoint.address];
  }

  async dial(
    to: PeerId | Multiaddr | Multiaddr[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ModelConnection> {
    const target = String(Array.isArray(to) ? to[0] : to);
    return this.#endpoint.dial(target.slice(target.lastIndexOf('/') + 1), signal);
  }

  /** Identify has told of the other end. */
  identified({ peerId, address }: Endpoint): void {
    const peer = { id: peerId, addresses: [{ multiaddr: address }] };
    this.#known.set(peerId.toString(), peer);
    this.dispatchEvent(new CustomEvent('peer:update', { detail: { peer } }));
  }

  async #stored(peer: PeerId): Promise<{ id: PeerId; addresses: { multiaddr: Multiaddr }[] }> {
    const known = this.#known.get(peer.toString());
    if (!known) throw new Error('not found');
    return known;
  }
}
