import type {
  Address,
  Libp2pEvents,
  Peer,
  PeerData,
  PeerId,
  PeerQuery,
  PeerStore,
  Tag,
  TagOptions,
  TypedEventTarget,
} from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

/** What libp2p gives its peer store. */
interface Components {
  peerId: PeerId;
  events: TypedEventTarget<Libp2pEvents>;
}

interface KeptTag extends Tag {
  /** Ms since 1970; undefined: for ever. */
  expiresAtMs: number | undefined;
}

interface Kept extends Omit<Peer, 'tags'> {
  tags: Map<string, KeptTag>;
}

/** A page is connected to 80 peers at most, and meets some hundreds; beyond this the one heard of longest ago is forgotten. */
const MAX_PEERS = 1000;

/** A peer has a handful of addresses. */
const MAX_ADDRESSES = 32;

/**
 * What a page's libp2p knows of peers, in memory. It stands in for `@libp2p/peer-store` in the bundle
 * (scripts/lean-libp2p.ts): that one encodes everything for a datastore, which pages have none of, and is a twentieth of
 * what a page loads.
 */
export class MemoryPeerStore implements PeerStore {
  readonly #components: Components;
  readonly #peers = new Map<string, Kept>();

  constructor(components: Components) {
    this.#components = components;
  }

  async forEach(fn: (peer: Peer) => void, query?: PeerQuery): Promise<void> {
    for (const peer of await this.all(query)) fn(peer);
  }

  async all({ filters = [], orders = [], offset = 0, limit }: PeerQuery = {}): Promise<Peer[]> {
    const self = this.#components.peerId;
    let peers = [...this.#peers.values()].filter(({ id }) => !id.equals(self)).map(asPeer);
    for (const filter of filters) peers = peers.filter(filter);
    for (const order of orders) peers.sort(order);
    return peers.slice(offset, limit === undefined ? undefined : offset + limit);
  }

  async delete(id: PeerId): Promise<void> {
    if (!id.equals(this.#components.peerId)) this.#peers.delete(id.toString());
  }

  async has(id: PeerId): Promise<boolean> {
    return this.#peers.has(id.toString());
  }

  async get(id: PeerId): Promise<Peer> {
    const kept = this.#peers.get(id.toString());
    if (kept) return asPeer(kept);
    throw Object.assign(new Error('the peer is not known'), { name: 'NotFoundError' });
  }

  async getInfo(id: PeerId): Promise<{ id: PeerId; multiaddrs: Multiaddr[] }> {
    const { addresses } = await this.get(id);
    return { id, multiaddrs: addresses.map((address) => address.multiaddr) };
  }

  async save(id: PeerId, data: PeerData): Promise<Peer> {
    this.#peers.delete(id.toString());
    return this.patch(id, data);
  }

  /** What is given replaces what was known of its kind. */
  async patch(id: PeerId, data: PeerData): Promise<Peer> {
    return this.#write(id, data, false);
  }

  /** What is given is added; undefined takes it away. */
  async merge(id: PeerId, data: PeerData): Promise<Peer> {
    return this.#write(id, data, true);
  }

  async consumePeerRecord(): Promise<boolean> {
    throw new Error('nobody asks a page to do so');
  }

  #write(id: PeerId, data: PeerData, isMerge: boolean): Peer {
    const key = id.toString();
    const before = this.#peers.get(key);
    const kept: Kept = {
      id,
      addresses: addressesOf(id, data, before, isMerge),
      protocols: protocolsOf(data, before, isMerge),
      metadata: mapOf(data.metadata, before?.metadata, isMerge, (value) => value),
      tags: mapOf(data.tags, before?.tags, isMerge, keptTag),
    };
    const envelope = data.peerRecordEnvelope ?? before?.peerRecordEnvelope;
    if (envelope) kept.peerRecordEnvelope = envelope;
    // Again at the end of the line.
    this.#peers.delete(key);
    this.#peers.set(key, kept);
    this.#forgetOldest();
    const peer = asPeer(kept);
    if (before && describe(before) === describe(kept)) return peer;
    const detail = { peer, ...(before && { previous: asPeer(before) }) };
    const isSelf = id.equals(this.#components.peerId);
    this.#components.events.safeDispatchEvent(isSelf ? 'self:peer:update' : 'peer:update', { detail });
    return peer;
  }

  #forgetOldest(): void {
    if (this.#peers.size <= MAX_PEERS) return;
    const self = this.#components.peerId.toString();
    for (const key of this.#peers.keys()) {
      if (key === self) continue;
      this.#peers.delete(key);
      return;
    }
  }
}

/** As libp2p makes its peer store. */
export function persistentPeerStore(components: Components): PeerStore {
  return new MemoryPeerStore(components);
}

function addressesOf(id: PeerId, data: PeerData, before: Kept | undefined, isMerge: boolean): Address[] {
  const isGiven = data.multiaddrs !== undefined || data.addresses !== undefined;
  const known = isGiven && !isMerge ? [] : (before?.addresses ?? []);
  const given = [
    ...(data.multiaddrs ?? []).map((each) => ({ multiaddr: each, isCertified: false })),
    ...(data.addresses ?? []),
  ];
  const suffix = `/p2p/${id.toString()}`;
  const byText = new Map<string, Address>();
  for (const { multiaddr: address, isCertified } of [...known, ...given]) {
    const text = address.toString();
    const bare = text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
    if (bare === '') continue;
    const isSure = isCertified || (byText.get(bare)?.isCertified ?? false);
    byText.set(bare, { multiaddr: bare === text ? address : multiaddr(bare), isCertified: isSure });
  }
  return [...byText.values()].slice(-MAX_ADDRESSES);
}

function protocolsOf({ protocols }: PeerData, before: Kept | undefined, isMerge: boolean): string[] {
  const known = before?.protocols ?? [];
  if (!protocols) return known;
  return [...new Set(isMerge ? [...known, ...protocols] : protocols)].sort();
}

function mapOf<Given, Value>(
  given: Map<string, Given | undefined> | Record<string, Given | undefined> | undefined,
  before: ReadonlyMap<string, Value> | undefined,
  isMerge: boolean,
  read: (value: Given) => Value,
): Map<string, Value> {
  const values = new Map(given && !isMerge ? [] : before);
  const entries = given instanceof Map ? given.entries() : Object.entries(given ?? {});
  for (const [key, value] of entries) {
    if (value == null) values.delete(key);
    else values.set(key, read(value));
  }
  return values;
}

function keptTag({ value = 0, ttl }: TagOptions): KeptTag {
  return { value, expiresAtMs: ttl === undefined ? undefined : Date.now() + ttl };
}

/** A copy: what a caller does with it changes nothing here. */
function asPeer(kept: Kept): Peer {
  const nowMs = Date.now();
  const tags = [...kept.tags].filter(([, { expiresAtMs = Infinity }]) => expiresAtMs > nowMs);
  return {
    ...kept,
    addresses: [...kept.addresses],
    protocols: [...kept.protocols],
    metadata: new Map(kept.metadata),
    tags: new Map(tags),
  };
}

/** The same text for what makes no difference to anybody who listens. */
function describe({ addresses, protocols, metadata, tags, peerRecordEnvelope }: Kept): string {
  return JSON.stringify([
    addresses.map((each) => `${each.multiaddr.toString()} ${each.isCertified}`).sort(),
    protocols,
    [...metadata].map(([key, value]) => `${key} ${value.join()}`).sort(),
    [...tags].map(([key, { value, expiresAtMs }]) => `${key} ${value} ${expiresAtMs}`).sort(),
    peerRecordEnvelope?.join(),
  ]);
}
