import { setImmediate as nextTurn } from 'node:timers/promises';
import { BaseDatastore } from 'datastore-core/base';
import { Key } from 'interface-datastore/key';
import { withFreshAddresses } from './fresh-addresses.ts';

/** Where `@libp2p/kad-dht` keeps who has announced what, a record each: `/dht/provider/<multihash>/<peer>`. */
const PROVIDERS = '/dht/provider/';

/** Where it keeps values: others' public keys and IPNS records. Shoal puts and asks for none. */
const VALUES = '/dht/record/';

/** Where libp2p's peer store keeps what is known of a peer: `/peers/<CID of its key>`. */
const PEERS = '/peers/';

/** How much is kept. */
export interface DatastoreBounds {
  /**
   * Records of who has announced what: of ten nodes with 10,000 assets each in a network so small that everybody keeps all. A
   * record takes some 400 bytes.
   */
  providers: number;
  /** Peers: as many as a large swarm and its DHT have. */
  peers: number;
  /** Of all peers together, bytes. */
  peerBytes: number;
}

export const DEFAULT_BOUNDS: DatastoreBounds = { providers: 100_000, peers: 4096, peerBytes: 16 << 20 };

/** One record: a peer has a handful of addresses, and identify's answer, with all of them signed, 8 KiB at most. */
const MAX_RECORD_BYTES = 16 << 10;

/** Names are made of hashes and of peers' ids; a multihash that holds its own content may have any length. */
const MAX_NAME_CHARS = 256;

/**
 * Records looked at in one turn of the event loop, some milliseconds' work: kad-dht goes through all announcements each hour, for
 * those that have run out, which kept a node that had the most from everything for four seconds.
 */
const PER_TURN = 128;

/** What else libp2p keeps is its own. */
const MAX_OTHERS = 256;

/**
 * What libp2p keeps, in memory and within bounds. Its own keeps whatever others tell it: a peer that announces roots, or
 * names peers and addresses, makes it grow for as long as it is connected.
 *
 * Of peers the one heard of longest ago makes room, unless it is connected; while it is, its addresses do not age either. Of
 * announcements the oldest does of the peer that has most, or of who announces where that is more than its share.
 */
export class BoundedDatastore extends BaseDatastore {
  readonly #bounds: DatastoreBounds;
  readonly #connected = new Set<string>();
  /** By peer's key; the one written last comes last. */
  readonly #peers = new Map<string, Uint8Array>();
  #peerBytes = 0;
  /** By multihash and peer. */
  readonly #providers = new Map<string, Map<string, Uint8Array>>();
  /** The same records by peer, the oldest first, and all of them. */
  readonly #byPeer = new Map<string, Set<string>>();
  /** Those sets by their size, and the largest size: looked for among all, each announcement was a pass over 100,000 peers. */
  readonly #bySize = new Map<number, Set<Set<string>>>();
  #most = 0;
  readonly #byAge = new Set<string>();
  readonly #others = new Map<string, Uint8Array>();

  constructor(bounds: DatastoreBounds = DEFAULT_BOUNDS) {
    super();
    this.#bounds = bounds;
  }

  /** The peer is connected, or is this node: what is known of it stays. @param key its id as a CID */
  hold(key: string): void {
    this.#connected.add(PEERS + key);
  }

  /** The peer is gone: from now on its addresses age. */
  release(key: string): void {
    const name = PEERS + key;
    const value = this.#peers.get(name);
    if (value) this.#putPeer(name, withFreshAddresses(value, Date.now()));
    this.#connected.delete(name);
  }

  /** @throws RangeError where it is more than is kept of anything */
  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    if (value.byteLength > MAX_RECORD_BYTES || name.length > MAX_NAME_CHARS)
      throw new RangeError(`a record of ${value.byteLength} bytes and a name of ${name.length} is not kept`);
    if (name.startsWith(VALUES)) throw new RangeError('no values are kept for others');
    if (name.startsWith(PROVIDERS)) this.#putProvider(name, value);
    else if (name.startsWith(PEERS)) this.#putPeer(name, value);
    else if (this.#others.has(name) || this.#others.size < MAX_OTHERS) this.#others.set(name, value);
    else throw new RangeError(`more than ${MAX_OTHERS} records of libp2p's own`);
    return key;
  }

  /** Of a connected peer as it is now: libp2p counts an address's age from when it first heard of it, however often it does. */
  override get(key: Key): Uint8Array {
    const name = key.toString();
    const value = this.#find(name);
    if (value) return this.#connected.has(name) ? withFreshAddresses(value, Date.now()) : value;
    throw Object.assign(new Error('there is no such record'), { name: 'NotFoundError' });
  }

  override has(key: Key): boolean {
    return this.#find(key.toString()) !== undefined;
  }

  override delete(key: Key): void {
    const name = key.toString();
    if (name.startsWith(PROVIDERS)) return this.#dropProvider(name);
    if (name.startsWith(PEERS)) return this.#dropPeer(name);
    this.#others.delete(name);
  }

  override async *_all({
    prefix = '',
  }: {
    prefix?: string;
  }): AsyncGenerator<{ key: Key; value: Uint8Array }> {
    let count = 0;
    for (const [name, value] of this.#under(prefix)) {
      if (++count % PER_TURN === 0) await nextTurn();
      yield { key: new Key(name, false), value };
    }
  }

  override *_allKeys({ prefix = '' }: { prefix?: string }): Generator<Key> {
    for (const [name] of this.#under(prefix)) yield new Key(name, false);
  }

  /** All that may begin so; of announcements those of one root, named whole, or all. A walk asks for one: others are not looked at. */
  *#under(prefix: string): Generator<[string, Uint8Array]> {
    const root = prefix.startsWith(PROVIDERS) ? prefix.slice(PROVIDERS.length) : '';
    if (root !== '') {
      for (const [peer, value] of [...(this.#providers.get(root) ?? [])]) yield [`${prefix}/${peer}`, value];
      return;
    }
    if (PEERS.startsWith(prefix) || prefix.startsWith(PEERS)) yield* [...this.#peers];
    if (PROVIDERS.startsWith(prefix)) {
      for (const name of [...this.#byAge]) {
        const value = this.#find(name);
        if (value) yield [name, value];
      }
    }
    yield* [...this.#others];
  }

  #find(name: string): Uint8Array | undefined {
    if (name.startsWith(PEERS)) return this.#peers.get(name);
    if (!name.startsWith(PROVIDERS)) return this.#others.get(name);
    const [root, peer] = partsOf(name);
    return this.#providers.get(root)?.get(peer);
  }

  #putPeer(name: string, value: Uint8Array): void {
    this.#dropPeer(name);
    this.#peers.set(name, value);
    this.#peerBytes += value.byteLength;
    // Those that stay go to the end of the line, and each once.
    for (let looked = this.#peers.size; looked > 0 && this.#isPeersFull; looked--) {
      const [[oldest, kept]] = this.#peers as unknown as [[string, Uint8Array]];
      this.#dropPeer(oldest);
      if (oldest !== name && !this.#connected.has(oldest)) continue;
      this.#peers.set(oldest, kept);
      this.#peerBytes += kept.byteLength;
    }
  }

  get #isPeersFull(): boolean {
    return this.#peers.size > this.#bounds.peers || this.#peerBytes > this.#bounds.peerBytes;
  }

  #dropPeer(name: string): void {
    const value = this.#peers.get(name);
    if (!value) return;
    this.#peers.delete(name);
    this.#peerBytes -= value.byteLength;
  }

  #putProvider(name: string, value: Uint8Array): void {
    const [root, peer] = partsOf(name);
    this.#dropProvider(name);
    const folder = this.#providers.get(root) ?? new Map<string, Uint8Array>();
    this.#providers.set(root, folder.set(peer, value));
    const own = this.#byPeer.get(peer) ?? new Set<string>();
    this.#byPeer.set(peer, own);
    this.#resize(own, () => own.add(name));
    this.#byAge.add(name);
    if (this.#byAge.size <= this.#bounds.providers) return;
    // Everybody may announce something, however many do: who came would have to go at once, and those who are here would stay.
    const share = Math.max(1, this.#bounds.providers / this.#byPeer.size);
    const [oldest] = own.size > share ? own : this.#largest;
    this.#dropProvider(oldest as string);
  }

  /** The records of who has most. */
  get #largest(): ReadonlySet<string> {
    const [largest] = this.#bySize.get(this.#most) ?? [];
    return largest ?? new Set();
  }

  /** Changes a peer's set by one record. */
  #resize(own: Set<string>, change: () => void): void {
    const before = this.#bySize.get(own.size);
    before?.delete(own);
    if (before?.size === 0) this.#bySize.delete(own.size);
    change();
    if (own.size > 0) this.#bySize.set(own.size, (this.#bySize.get(own.size) ?? new Set()).add(own));
    this.#most = Math.max(this.#most, own.size);
    // One less at most: what left it has one less now, unless it was the last of all.
    if (this.#most > 0 && !this.#bySize.has(this.#most)) this.#most--;
  }

  #dropProvider(name: string): void {
    if (!this.#byAge.delete(name)) return;
    const [root, peer] = partsOf(name);
    const folder = this.#providers.get(root);
    folder?.delete(peer);
    if (folder?.size === 0) this.#providers.delete(root);
    const own = this.#byPeer.get(peer);
    if (!own) return;
    this.#resize(own, () => own.delete(name));
    if (own.size === 0) this.#byPeer.delete(peer);
  }
}

function partsOf(name: string): [root: string, peer: string] {
  const [root = '', peer = ''] = name.slice(PROVIDERS.length).split('/');
  return [root, peer];
}
