import {
  MAX_CONTACTS_PER_SOURCE,
  MAX_ADDRESSES,
  MAX_ADDRESS_CHARS,
  MAX_REDIAL_MS,
  REDIAL_MS,
} from './constants.ts';
import type { Contact, PeerKey } from './messages.ts';
import { randomInt, type Rng } from './rng.ts';

interface KnownContact {
  contact: Contact;
  /** Who told of it; undefined: this node knows it itself. */
  source: PeerKey | undefined;
  failures: number;
  nextDialAtMs: number;
  /** It had all of the asset when it was last connected. */
  isDone: boolean;
}

/** Peers that may be in an asset's swarm, so many at most, and when each may be dialled. */
export class ContactTable {
  readonly #max: number;
  readonly #rng: Rng;
  readonly #known = new Map<PeerKey, KnownContact>();
  /** Of those by who told of them, oldest first: a full table is not to be searched for each contact that somebody tells of. */
  readonly #told = new Map<PeerKey, Set<PeerKey>>();

  constructor(max: number, rng: Rng) {
    this.#max = max;
    this.#rng = rng;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * Adds a contact, or replaces its addresses. Where the table is full a random other one makes room; where the
   * source has told of {@link MAX_CONTACTS_PER_SOURCE} already, the oldest of those does.
   *
   * @param source the peer that told of it; its word replaces no addresses known otherwise that have not failed
   * @param notBeforeMs a contact that is new is dialled no earlier
   */
  add(contact: Contact, source?: PeerKey, notBeforeMs = -Infinity): void {
    const addresses = boundedAddresses(contact.addresses);
    const known = this.#known.get(contact.peer);
    if (known) {
      const isBetter = source === undefined || source === known.source || known.failures > 0;
      if (addresses.length > 0 && isBetter) known.contact = { peer: contact.peer, addresses };
      if (source === undefined) {
        this.#untell(contact.peer, known);
        known.source = undefined;
        known.isDone = false;
      }
      return;
    }
    if (source !== undefined) this.#keepQuota(source);
    if (this.#known.size >= this.#max) this.#evict();
    this.#known.set(contact.peer, {
      contact: { peer: contact.peer, addresses },
      source,
      failures: 0,
      nextDialAtMs: notBeforeMs,
      isDone: false,
    });
    if (source === undefined) return;
    const told = this.#told.get(source);
    if (told) told.add(contact.peer);
    else this.#told.set(source, new Set([contact.peer]));
  }

  has(peer: PeerKey): boolean {
    return this.#known.has(peer);
  }

  /** A dial failed, or the link did not last: the next one waits, twice as long each time. */
  failed(peer: PeerKey, nowMs: number): void {
    const known = this.#known.get(peer);
    if (!known) return;
    known.nextDialAtMs = nowMs + Math.min(REDIAL_MS * 2 ** known.failures, MAX_REDIAL_MS);
    known.failures = Math.min(known.failures + 1, 10);
  }

  /** The link has lasted. */
  succeeded(peer: PeerKey): void {
    const known = this.#known.get(peer);
    if (known) known.failures = 0;
  }

  /** The peer is gone, and had all of the asset: until it comes back by itself it needs nobody. */
  done(peer: PeerKey): void {
    const known = this.#known.get(peer);
    if (known) known.isDone = true;
  }

  isDone(peer: PeerKey): boolean {
    return this.#known.get(peer)?.isDone ?? false;
  }

  /** A random contact that may be dialled now. */
  choose(nowMs: number, isFree: (peer: PeerKey) => boolean): Contact | undefined {
    let chosen: Contact | undefined;
    let seen = 0;
    for (const { contact, nextDialAtMs } of this.#known.values()) {
      if (nextDialAtMs > nowMs || !isFree(contact.peer)) continue;
      if (randomInt(this.#rng, ++seen) === 0) chosen = contact;
    }
    return chosen;
  }

  #keepQuota(source: PeerKey): void {
    const told = this.#told.get(source);
    if (told && told.size >= MAX_CONTACTS_PER_SOURCE) this.#forget(told.values().next().value as PeerKey);
  }

  #forget(peer: PeerKey): void {
    const known = this.#known.get(peer);
    if (known) this.#untell(peer, known);
    this.#known.delete(peer);
  }

  #untell(peer: PeerKey, { source }: KnownContact): void {
    const told = source === undefined ? undefined : this.#told.get(source);
    if (!told?.delete(peer)) return;
    if (told.size === 0) this.#told.delete(source as PeerKey);
  }

  #evict(): void {
    let left = randomInt(this.#rng, this.#known.size);
    for (const peer of this.#known.keys()) {
      if (left-- > 0) continue;
      return this.#forget(peer);
    }
  }
}

/** Addresses from outside, cut to a bounded number of bounded length; themselves where they are. */
export function boundedAddresses(addresses: readonly string[]): readonly string[] {
  const isBounded = addresses.every((address) => address.length <= MAX_ADDRESS_CHARS);
  if (isBounded && addresses.length <= MAX_ADDRESSES) return addresses;
  return addresses.filter((address) => address.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES);
}
