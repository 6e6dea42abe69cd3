import type { CID } from 'multiformats/cid';
import type { Store } from '../store/store.ts';
import type { Contact } from '../swarm/core/messages.ts';

/** A contact that is kept over restarts. */
interface StoredContact extends Contact {
  network: string;
  /** When the peer was last connected, ms since 1970. */
  seenAtMs: number;
  /** It gave verified bytes: it goes before those that only came by, who may be anybody. */
  gave: boolean;
}

/** A peer to be kept, as it is known now. */
export interface SeenPeer extends Contact {
  gave: boolean;
}

/** One swarm's degree: whoever reaches a few of them learns of the rest by peer exchange. */
const MAX_CONTACTS = 30;

/** One bucket of the DHT (k = 20): enough to find every other node through. Of those that are connected so many are noted. */
export const MAX_DHT_PEERS = 20;

/**
 * And so many that were before are kept beside them. Where a network fell in two, those of the other part are the only way back to
 * it: in a part of more than twenty nodes they were pushed out within ten minutes.
 */
const MAX_EARLIER_DHT_PEERS = 20;

/** A peer has a handful of addresses, and a multiaddr without certificate hashes is short. */
const MAX_ADDRESSES = 4;
const MAX_ADDRESS_CHARS = 256;

/** A peer that has not been seen for so long has most likely moved. */
const MAX_AGE_MS = 30 * 24 * 3_600_000;

/** No record of ours comes near this: eighty contacts. A longer one was not written by us. */
const MAX_RECORD_BYTES = 128 * 1024;

const DHT_KEY = 'dht-peers';

/**
 * The peers that a node met, kept in the data folder: of each asset's swarm those that took part in it, and some
 * nodes of the DHT. After a restart they lead back, also when the link's addresses are dead and nobody is named.
 *
 * Only peers with a proven identity that were connected are kept, those that gave first, {@link MAX_CONTACTS} for
 * an asset and for 30 days, and as many of all other networks together; removing the asset forgets them.
 */
export class ContactBook {
  readonly #store: Store;
  readonly #network: string;
  readonly #now: () => number;

  /** @param now ms since 1970 */
  constructor(store: Store, network: string, now: () => number = Date.now) {
    this.#store = store;
    this.#network = network;
    this.#now = now;
  }

  /** Who is kept of an asset's swarm in this network, the most promising first. */
  contacts(root: CID): Promise<Contact[]> {
    return this.#read(keyOf(root));
  }

  /** The peers are connected now and take part in the asset's swarm. */
  seen(root: CID, peers: readonly SeenPeer[]): Promise<void> {
    return this.#write(keyOf(root), peers, MAX_CONTACTS);
  }

  async forget(root: CID): Promise<void> {
    await this.#store.putSetting(keyOf(root), undefined);
  }

  /** Nodes of the DHT in this network. */
  dhtPeers(): Promise<Contact[]> {
    return this.#read(DHT_KEY);
  }

  seenInDht(peers: readonly Contact[]): Promise<void> {
    return this.#write(
      DHT_KEY,
      peers.slice(0, MAX_DHT_PEERS).map((peer) => ({ ...peer, gave: false })),
      MAX_DHT_PEERS + MAX_EARLIER_DHT_PEERS,
    );
  }

  async #read(key: string): Promise<Contact[]> {
    const all = await this.#load(key);
    return all
      .filter(({ network }) => network === this.#network)
      .map(({ peer, addresses }) => ({ peer, addresses }));
  }

  async #write(key: string, peers: readonly SeenPeer[], max: number): Promise<void> {
    const nowMs = this.#now();
    const kept = new Map((await this.#load(key)).map((each) => [`${each.network} ${each.peer}`, each]));
    for (const { peer, addresses, gave } of peers) {
      const bounded = addresses.filter((each) => each.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES);
      if (bounded.length === 0) continue;
      const id = `${this.#network} ${peer}`;
      const gaveEver = gave || (kept.get(id)?.gave ?? false);
      kept.set(id, { network: this.#network, peer, addresses: bounded, seenAtMs: nowMs, gave: gaveEver });
    }
    const all = [...kept.values()].sort(byPromise);
    const here = all.filter(({ network }) => network === this.#network).slice(0, max);
    // A data folder may be used in several networks in turn: none pushes out whom another one comes back by.
    const elsewhere = all.filter(({ network }) => network !== this.#network).slice(0, max);
    await this.#store.putSetting(key, new TextEncoder().encode(JSON.stringify([...here, ...elsewhere])));
  }

  /**
   * What cannot be read is as if it were not there: it only ever saves a search. Who was seen in the future was so while the
   * clock was ahead, nobody knows when: they kept their places for good, and nobody who came later found one.
   */
  async #load(key: string): Promise<StoredContact[]> {
    const bytes = await this.#store.getSetting(key);
    if (!bytes || bytes.byteLength > MAX_RECORD_BYTES) return [];
    const nowMs = this.#now();
    const oldestMs = nowMs - MAX_AGE_MS;
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (!Array.isArray(value)) return [];
      return value
        .filter(isStoredContact)
        .map((each) => (each.seenAtMs > nowMs ? { ...each, seenAtMs: nowMs - MAX_AGE_MS / 2 } : each))
        .filter(({ seenAtMs }) => seenAtMs >= oldestMs)
        .sort(byPromise);
    } catch {
      return [];
    }
  }
}

function byPromise(a: StoredContact, b: StoredContact): number {
  return Number(b.gave) - Number(a.gave) || b.seenAtMs - a.seenAtMs;
}

function keyOf(root: CID): string {
  return `contacts/${root.toString()}`;
}

function isStoredContact(value: unknown): value is StoredContact {
  if (typeof value !== 'object' || value === null) return false;
  const { network, peer, addresses, seenAtMs, gave } = value as Partial<Record<keyof StoredContact, unknown>>;
  return (
    typeof network === 'string' &&
    typeof peer === 'string' &&
    typeof seenAtMs === 'number' &&
    typeof gave === 'boolean' &&
    Array.isArray(addresses) &&
    addresses.every((address) => typeof address === 'string')
  );
}
