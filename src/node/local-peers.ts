import type { PeerInfo } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { boundedAddresses } from '../swarm/core/contact-table.ts';
import { widestFirst } from '../swarm/widest-first.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';
import type { TaskSet } from './task-set.ts';

/** One connection attempt to a node heard on the local network. */
const DIAL_TIMEOUT_MS = 10_000;

/** Nodes heard on the local network are dialled up to this many connections: twice the swarm's degree of 30. */
const MAX_CONNECTIONS = 60;

/** Nodes that are dialled at a time, and that wait for it: who is there is heard again within seconds. */
const AT_ONCE = 8;
const MAX_WAITING = 128;

/**
 * Dials nodes that were heard on the local network, a few at a time. Any machine there, and whatever runs on one, may call out
 * any number of names, each with addresses of its choosing: all were dialled, and had libp2p's hundred dials at a time.
 */
export class LocalDials {
  readonly #libp2p: ShoalLibp2p;
  readonly #tasks: TaskSet;
  readonly #signal: AbortSignal;
  readonly #running = new Set<string>();
  /** The one heard last comes last. */
  readonly #waiting = new Map<string, PeerInfo>();

  /** @param signal ends all */
  constructor(libp2p: ShoalLibp2p, tasks: TaskSet, signal: AbortSignal) {
    this.#libp2p = libp2p;
    this.#tasks = tasks;
    this.#signal = signal;
  }

  /** The node was heard. */
  add(peer: PeerInfo): void {
    const id = peer.id.toString();
    if (this.#running.has(id)) return;
    this.#waiting.delete(id);
    this.#waiting.set(id, peer);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value as string);
    this.#next();
  }

  /** Who was heard last is the likeliest to be there. */
  #next(): void {
    while (this.#running.size < AT_ONCE && this.#waiting.size > 0 && !this.#signal.aborted) {
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
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
    });
  }
}
