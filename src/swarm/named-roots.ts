import { CID } from 'multiformats/cid';
import { DAG_PB_CODE, RAW_CODE, SHA256_CODE } from '../integrity/parse-cid.ts';
import type { Contact, Have } from './core/messages.ts';
import { badFrame } from './wire/wire-error.ts';

/** Roots remembered for a link: more than anyone shares with one neighbour, and 1 MiB of memory at most. */
export const MAX_NAMED_ROOTS = 4096;

/** Besides these, so many of those that were left last: data of them may still be on its way. */
export const MAX_LEFT_ROOTS = 256;

/** Roots that are looked at to find one that makes room: each JOIN of a full table costs that. */
const MAX_TRIED = 8;

/** Bytes kept for roots that are not active here, for each link: bitfields of eight million chunks. */
const MAX_KEPT_HAVE_BYTES = 1 << 20;

/**
 * Bytes of contacts kept for roots that are not active here, for each link: those of some hundred roots that are opened at once.
 * A message has 64 of 16 addresses, and there may be thousands of roots.
 */
const MAX_CONTACT_BYTES = 2 << 20;

/** What a text costs in memory besides its characters. */
const TEXT_BYTES = 32;

/** What a chunk number of a HAVE costs in memory. */
const ANNOUNCED_BYTES = 8;

/** A root that the peer named, under its number for it. */
export interface NamedRoot {
  readonly slot: number;
  readonly root: CID;
  /** `root` in base32: the key under which tables know it. */
  readonly text: string;
  /** What the last JOIN said; undefined where it was not kept, or the exchange has it: then it is asked for anew. */
  have: Have | undefined;
  /** Bytes of `have` and `announced` that count against the table's limit. */
  keptBytes: number;
  /** Chunks announced since, while the root was not active here. */
  announced: number[];
  /** Other peers that it told of, while the root was about to become active here. */
  contacts: readonly Contact[];
  /**
   * The peer has its nodes: it said that it has chunks, or named it a second time. It names a root when it begins to fetch the
   * nodes, and again when it has them and joins.
   */
  readonly hasNodes: boolean;
  /** The peer asked for an answer and got none yet. */
  wantsReply: boolean;
  /** It said LEAVE; data may still be on its way. */
  hasLeft: boolean;
}

/** The roots that a peer named on a link: nothing is confirmed or served to it but these. */
export class NamedRoots {
  /** Those first that were named, or found in use, the longest ago. */
  readonly #bySlot = new Map<number, NamedRoot>();
  readonly #byText = new Map<string, NamedRoot>();
  /** Those that the peer left, the longest ago first. */
  readonly #left = new Set<NamedRoot>();
  #keptBytes = 0;
  /** Those with contacts, the oldest first, and what they take. */
  readonly #contactBytes = new Map<NamedRoot, number>();
  #allContactBytes = 0;

  /**
   * Notes a JOIN.
   *
   * @param isInUse whether a root matters here. Peers leave what they have closed, and not what they have fetched and serve: in
   *   a full table one that does not matter makes room, as if it had been left
   * @returns undefined where the table is full of others: the JOIN is passed over
   * @throws ERR_PEER_BAD_FRAME where the root is no CID that Shoal speaks, or the slot names another root
   */
  join(
    slot: number,
    rootBytes: Uint8Array,
    have: Have,
    wantsReply: boolean,
    isInUse: (text: string) => boolean,
  ): NamedRoot | undefined {
    const before = this.#bySlot.get(slot);
    const root = decodeCid(rootBytes);
    const text = root.toString();
    if (before && before.text !== text && !before.hasLeft)
      throw badFrame(`JOIN with slot ${slot} for a second root`);
    const known = this.#byText.get(text);
    const contacts = known?.contacts ?? [];
    // What it asked with an earlier JOIN is to be answered still, whatever this one says.
    const isAwaited = known?.wantsReply ?? false;
    if (before) this.#forget(before);
    if (known && known !== before) this.#forget(known);
    const isFull = this.#bySlot.size - this.#left.size >= MAX_NAMED_ROOTS;
    if (isFull && !this.#leaveUnused(isInUse)) return undefined;
    const named: NamedRoot = {
      slot,
      root,
      text,
      have,
      keptBytes: 0,
      announced: [],
      contacts: [],
      hasNodes: have.kind !== 'none' || (known !== undefined && !known.hasLeft),
      wantsReply: wantsReply || isAwaited,
      hasLeft: false,
    };
    this.#bySlot.set(slot, named);
    this.#byText.set(text, named);
    this.keepContacts(named, contacts);
    this.#forgetLeft();
    return named;
  }

  /** The root is not active here: keeps what the peer has, for when it becomes so, or forgets it where it is too much. */
  keep(named: NamedRoot): void {
    if (named.have?.kind === 'some') this.#count(named, named.have.bits.byteLength);
  }

  /**
   * A HAVE for a root that is not active here.
   *
   * @param soon whether it is about to become active; if not, the peer is asked what it has when it does
   */
  keepAnnounced(named: NamedRoot, chunks: readonly number[], soon: boolean): void {
    if (!named.have) return;
    if (!soon) this.#drop(named);
    else if (this.#count(named, chunks.length * ANNOUNCED_BYTES)) named.announced.push(...chunks);
  }

  /** Peers that take part in a root which is about to become active. Where they are too many, those told of first are forgotten. */
  keepContacts(named: NamedRoot, contacts: readonly Contact[]): void {
    this.#dropContacts(named);
    if (contacts.length === 0) return;
    named.contacts = contacts;
    const bytes = bytesOf(contacts);
    this.#contactBytes.set(named, bytes);
    this.#allContactBytes += bytes;
    for (const oldest of this.#contactBytes.keys()) {
      if (this.#allContactBytes <= MAX_CONTACT_BYTES) return;
      this.#dropContacts(oldest);
    }
  }

  /** The root has become active, and the table need not keep what the peer has. */
  release(named: NamedRoot): void {
    this.#drop(named);
    named.wantsReply = false;
    this.#dropContacts(named);
  }

  leave(slot: number): NamedRoot | undefined {
    const named = this.#bySlot.get(slot);
    if (!named || named.hasLeft) return undefined;
    this.release(named);
    named.hasLeft = true;
    this.#left.add(named);
    return named;
  }

  /** By the peer's slot. */
  get(slot: number): NamedRoot | undefined {
    return this.#bySlot.get(slot);
  }

  /** By root; undefined where the peer has left it. */
  find(text: string): NamedRoot | undefined {
    const named = this.#byText.get(text);
    return named?.hasLeft ? undefined : named;
  }

  /** Whether the peer named a root, and has it still or left it. */
  has(text: string): boolean {
    return this.#byText.has(text);
  }

  /** Whether the peer left a root, and has not named it since. */
  hasLeft(text: string): boolean {
    return this.#byText.get(text)?.hasLeft ?? false;
  }

  values(): IterableIterator<NamedRoot> {
    return this.#bySlot.values();
  }

  /** Data of what was left so long ago has come by now. */
  #forgetLeft(): void {
    for (const oldest of this.#left) {
      if (this.#left.size <= MAX_LEFT_ROOTS || this.#bySlot.size <= MAX_NAMED_ROOTS) return;
      this.#forget(oldest);
    }
  }

  /** Makes room. @returns false where none was found that does not matter; the next time others are looked at */
  #leaveUnused(isInUse: (text: string) => boolean): boolean {
    const oldest = this.#bySlot.values();
    for (let tried = 0; tried < MAX_TRIED; tried++) {
      const named = oldest.next().value;
      if (!named) return false;
      if (!named.hasLeft && !isInUse(named.text)) {
        this.leave(named.slot);
        return true;
      }
      this.#bySlot.delete(named.slot);
      this.#bySlot.set(named.slot, named);
    }
    return false;
  }

  /** @returns false where that is too much: then nothing is kept of what the peer has of this root */
  #count(named: NamedRoot, bytes: number): boolean {
    if (this.#keptBytes + bytes > MAX_KEPT_HAVE_BYTES) {
      this.#drop(named);
      return false;
    }
    named.keptBytes += bytes;
    this.#keptBytes += bytes;
    return true;
  }

  #drop(named: NamedRoot): void {
    this.#keptBytes -= named.keptBytes;
    named.keptBytes = 0;
    named.have = undefined;
    named.announced = [];
  }

  #dropContacts(named: NamedRoot): void {
    this.#allContactBytes -= this.#contactBytes.get(named) ?? 0;
    this.#contactBytes.delete(named);
    named.contacts = [];
  }

  #forget(named: NamedRoot): void {
    this.release(named);
    this.#left.delete(named);
    this.#bySlot.delete(named.slot);
    this.#byText.delete(named.text);
  }
}

function bytesOf(contacts: readonly Contact[]): number {
  let bytes = 0;
  for (const { peer, addresses } of contacts) {
    for (const text of [peer, ...addresses]) bytes += text.length + TEXT_BYTES;
  }
  return bytes;
}

/** A CID from a peer. @throws ERR_PEER_BAD_FRAME unless it is CIDv1, sha2-256, and raw or dag-pb */
export function decodeCid(bytes: Uint8Array): CID {
  let cid: CID;
  try {
    cid = CID.decode(bytes);
  } catch (cause) {
    throw badFrame('a CID that cannot be read', cause);
  }
  const isSpoken =
    cid.version === 1 &&
    (cid.code === DAG_PB_CODE || cid.code === RAW_CODE) &&
    cid.multihash.code === SHA256_CODE &&
    cid.multihash.digest.byteLength === 32;
  if (!isSpoken) throw badFrame(`the CID ${cid.toString()}, which names no asset or node`);
  return cid;
}
