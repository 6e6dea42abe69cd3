import type { Peer } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import { letExit } from '../swarm/let-exit.ts';
import { widestFirst } from '../swarm/widest-first.ts';
import { MAX_DHT_PEERS, type ContactBook, type SeenPeer } from './contact-book.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';

/** How soon a peer that was met is kept: a process can be killed at any moment, and looking costs little. */
const LOOK_MS = 1_000;

/** Peers that stay connected are noted anew so often, so that their age and addresses stay true. */
const RENEW_MS = 600_000;

/** Swarm members looked at for each asset: more than are kept, so that those who gave are among them. */
const MAX_LOOKED_AT = 60;

/** What a {@link ContactKeeper} works with. */
export interface ContactKeeperHost {
  libp2p: ShoalLibp2p;
  book: ContactBook;
  /** Who takes part in which swarm now. */
  swarms: () => Iterable<{ root: CID; peers: readonly string[]; gave: (peer: string) => boolean }>;
  /** Nodes of the DHT that are connected. */
  dhtPeers: () => Iterable<string>;
  log: (level: LogLevel, message: string) => void;
}

/** Notes in the {@link ContactBook} who is connected, whenever that has changed. */
export class ContactKeeper {
  readonly #host: ContactKeeperHost;
  /** What was noted last, by asset (`''`: the DHT), when, and for how long that is good where nobody else comes. */
  readonly #noted = new Map<string, { who: string; atMs: number; goodMs: number }>();
  readonly #forgotten = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #noting: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  constructor(host: ContactKeeperHost) {
    this.#host = host;
  }

  start(): void {
    this.#timer = setInterval(() => void this.note(), LOOK_MS);
    letExit(this.#timer);
    const { libp2p } = this.#host;
    const { signal } = this.#stopped;
    libp2p.addEventListener('peer:connect', ({ detail }) => this.#doubt(detail.toString()), { signal });
    libp2p.addEventListener(
      'peer:update',
      ({ detail: { peer, previous } }) => {
        if (placesOf(peer) !== placesOf(previous)) this.#doubt(peer.id.toString());
      },
      { signal },
    );
  }

  /** Notes what has changed since the last time; one run at a time. */
  note(): Promise<void> {
    this.#noting = this.#noting
      .then(() => this.#noteAll())
      .catch((error: unknown) => {
        this.#host.log('debug', `contacts could not be kept: ${String(error)}`);
      });
    return this.#noting;
  }

  /** The asset is being removed: its contacts go, and nothing that is under way brings them back. */
  async forget(root: CID): Promise<void> {
    this.#forgotten.add(root.toString());
    try {
      await this.#noting;
      this.#noted.delete(root.toString());
      await this.#host.book.forget(root);
    } finally {
      this.#forgotten.delete(root.toString());
    }
  }

  /** Notes a last time and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.note();
  }

  async #noteAll(): Promise<void> {
    const { book } = this.#host;
    for (const { root, peers, gave } of [...this.#host.swarms()]) {
      const text = root.toString();
      const some = [...peers].sort((a, b) => Number(gave(b)) - Number(gave(a))).slice(0, MAX_LOOKED_AT);
      const who = some.map((peer) => `${peer}${gave(peer) ? '+' : ''}`);
      if (this.#forgotten.has(text) || !this.#isNews(text, who)) continue;
      const seen = await this.#withAddresses(some, gave);
      if (this.#forgotten.has(text)) continue;
      if (seen.length > 0) {
        await book.seen(root, seen);
        this.#host.log('debug', `${text}: noted ${seen.length} of its peers, for after a restart`);
      }
      this.#keepNoted(text, who, seen.length);
    }
    // Those connected the longest: where there are enough, one more is no news.
    const nodes = [...this.#host.dhtPeers()].slice(0, MAX_DHT_PEERS);
    if (!this.#isNews('', nodes)) return;
    const seen = await this.#withAddresses(nodes, () => false);
    if (seen.length > 0) await book.seenInDht(seen);
    this.#keepNoted('', nodes, seen.length);
  }

  /** The peer is elsewhere: what was noted of it is not true any more. */
  #doubt(peer: string): void {
    for (const [key, { who }] of this.#noted) if (who.includes(peer)) this.#noted.delete(key);
  }

  #isNews(key: string, peers: readonly string[]): boolean {
    const noted = this.#noted.get(key);
    const isGood = noted?.who === asText(peers) && performance.now() - noted.atMs < noted.goodMs;
    return peers.length > 0 && !isGood;
  }

  /**
   * Notes that the book has them. Whose address is not known yet, as before the peer has introduced itself, is looked at again
   * soon, and then ever more seldom: some never tell of one.
   *
   * @param known how many of them have an address
   */
  #keepNoted(key: string, peers: readonly string[], known: number): void {
    const who = asText(peers);
    const before = this.#noted.get(key);
    const soonMs = before?.who === who ? Math.min(2 * before.goodMs, RENEW_MS) : LOOK_MS;
    const goodMs = known < peers.length ? soonMs : RENEW_MS;
    this.#noted.set(key, { who, atMs: performance.now(), goodMs });
  }

  async #withAddresses(peers: readonly string[], gave: (peer: string) => boolean): Promise<SeenPeer[]> {
    const seen = await Promise.all(
      peers.map(async (peer) => ({ peer, addresses: await this.#addressesOf(peer), gave: gave(peer) })),
    );
    return seen.filter(({ addresses }) => addresses.length > 0);
  }

  /** Where this node reached it first, then what it says itself. */
  async #addressesOf(peer: string): Promise<string[]> {
    const id = peerIdFromString(peer);
    const { libp2p } = this.#host;
    const proven = libp2p
      .getConnections(id)
      .filter(({ direction }) => direction === 'outbound')
      .map(({ remoteAddr }) => bare(remoteAddr.toString()));
    const known = await libp2p.peerStore.get(id).catch(() => undefined);
    const told = (known?.addresses ?? []).map(({ multiaddr }) => bare(multiaddr.toString()));
    return [...new Set([...proven, ...widestFirst(told)])];
  }
}

function asText(peers: readonly string[]): string {
  return [...peers].sort().join(' ');
}

function placesOf(peer: Peer | undefined): string | undefined {
  return peer?.addresses.map(({ multiaddr }) => multiaddr.toString()).join(' ');
}

/** Without the peer id at its end, which is kept beside it. */
function bare(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '');
}
