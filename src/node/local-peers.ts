import type { PeerInfo } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { setMaxListeners } from 'main-event';
import type { LogLevel } from '../api.ts';
import { boundedAddresses } from '../swarm/core/contact-table.ts';
import { keepNewest } from '../swarm/core/keep-newest.ts';
import { widestFirst } from '../swarm/widest-first.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';
import { TaskSet } from './task-set.ts';

/** One connection attempt to a node heard on the local network. */
const DIAL_TIMEOUT_MS = 10_000;

/** Nodes heard on the local network are dialled up to this many connections: twice the swarm's degree of 30. */
const MAX_CONNECTIONS = 60;

/** Nodes of the local network counted for the report: names cost whoever calls them out nothing. */
const MAX_COUNTED = 1024;

/** Nodes that are dialled at a time, and that wait for it: who is there is heard again within seconds. */
const AT_ONCE = 8;
const MAX_WAITING = 128;

/**
 * Nodes that were heard on the local network. They are dialled, a few at a time: any machine there, and whatever runs on one, may
 * call out any number of names, each with addresses of its choosing. All were dialled, and had libp2p's hundred dials at a time.
 */
export class LocalPeers {
  readonly #libp2p: ShoalLibp2p;
  readonly #tasks: TaskSet;
  readonly #stop = new AbortController();
  readonly #counted = new Set<string>();
  readonly #running = new Set<string>();
  /** The one heard last comes last. */
  readonly #waiting = new Map<string, PeerInfo>();

  constructor(libp2p: ShoalLibp2p, log: (level: LogLevel, message: string) => void) {
    this.#libp2p = libp2p;
    this.#tasks = new TaskSet((error) => {
      if (!this.#stop.signal.aborted) log('debug', `local network: ${String(error)}`);
    });
    // Every dial listens for the stop.
    setMaxListeners(Infinity, this.#stop.signal);
  }

  /** How many were heard. */
  get count(): number {
    return this.#counted.size;
  }

  /** A node was heard: connects to it, so that links can ask it. */
  add(peer: PeerInfo): void {
    const id = peer.id.toString();
    if (this.#stop.signal.aborted || id === this.#libp2p.peerId.toString()) return;
    if (this.#counted.size < MAX_COUNTED) this.#counted.add(id);
    if (this.#running.has(id)) return;
    keepNewest(this.#waiting, id, peer, MAX_WAITING);
    this.#next();
  }

  /** Ends all dials, and waits for them. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#tasks.ended();
  }

  /** Who was heard last is the likeliest to be there. */
  #next(): void {
    while (this.#running.size < AT_ONCE && this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      const [id, peer] = [...this.#waiting].at(-1) as [string, PeerInfo];
      this.#waiting.delete(id);
      if (this.#libp2p.getConnections().length >= MAX_CONNECTIONS) continue;
      if (this.#libp2p.getConnections(peer.id).length > 0) continue;
      this.#running.add(id);
      const dialling = this.#dial(peer).finally(() => {
        this.#running.delete(id);
        this.#next();
      });
      this.#tasks.run(dialling);
    }
  }

  async #dial({ id, multiaddrs }: PeerInfo): Promise<void> {
    const some = boundedAddresses(widestFirst(multiaddrs.map(String)));
    // By name: each machine has a 127.0.0.1, and many the same bridge of containers, where another node may listen on the port.
    const addresses = some.map((address) => multiaddr(address).encapsulate(`/p2p/${id.toString()}`));
    await this.#libp2p.dial(addresses, {
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
    });
  }
}
