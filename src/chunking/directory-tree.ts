import { murmur364 } from '@multiformats/murmur3';
import { compare } from 'uint8arrays/compare';
import { ShoalError } from '../errors.ts';
import { encodeDirectory, encodeShard } from './encode-node.ts';
import type { EncodedNode, NamedLink, OnNode } from './encode-node.ts';

/**
 * A directory whose plain node would be larger than this is sharded: 256 KiB, from the UnixFS profile
 * `unixfs-v1-2025` (IPIP-0499, HAMTDirectory threshold "block-bytes").
 */
export const SHARD_THRESHOLD_BYTES = 262_144;

/** Slots of a shard, from the same profile. */
const FANOUT = 256;
/** Hex digits of a slot number. */
const SLOT_DIGITS = 2;
/** The hash has 64 bits, and each level of shards uses eight. */
const MAX_LEVELS = 8;

/** The Data field of a plain directory: tag, length, and the UnixFS type. */
const DIRECTORY_DATA_BYTES = 4;
/** Bytes of a binary CIDv1 with sha2-256. */
const CID_BYTES = 36;

const encoder = new TextEncoder();

export interface DirectoryRoot {
  node: EncodedNode;
  /** Nodes of this directory, without what is in it. */
  nodes: number;
  /**
   * Whether it is sharded only because the threshold is compared with the whole node. `ipfs add` unless told
   * otherwise compares it with names and CIDs alone, and would leave this directory plain.
   */
  needsBlockEstimation: boolean;
}

interface Entry extends NamedLink {
  nameBytes: Uint8Array;
}

/**
 * Makes a directory out of its links: a plain UnixFS directory, or a HAMT-sharded one where the plain one would be
 * too large. The same nodes as kubo and `ipfs-unixfs-importer` make with the profile `unixfs-v1-2025`.
 *
 * @param links in any order, names distinct
 */
export async function buildDirectory(links: readonly NamedLink[], onNode: OnNode): Promise<DirectoryRoot> {
  const entries = links.map((link): Entry => ({ ...link, nameBytes: encoder.encode(link.name) }));
  if (plainSize(entries) <= SHARD_THRESHOLD_BYTES) {
    entries.sort((a, b) => compare(a.nameBytes, b.nameBytes));
    const node = await encodeDirectory(entries);
    await onNode(node.cid, node.bytes);
    return { node, nodes: 1, needsBlockEstimation: false };
  }
  const linksBytes = entries.reduce((sum, { nameBytes }) => sum + nameBytes.byteLength + CID_BYTES, 0);
  const shards = new ShardBuilder(onNode);
  const hashed = entries.map((entry) => ({ ...entry, hash: hashOf(entry.nameBytes) }));
  const node = await shards.build(hashed, 0);
  return { node, nodes: shards.nodes, needsBlockEstimation: linksBytes <= SHARD_THRESHOLD_BYTES };
}

interface HashedEntry extends NamedLink {
  hash: Uint8Array;
}

class ShardBuilder {
  readonly #onNode: OnNode;
  nodes = 0;

  constructor(onNode: OnNode) {
    this.#onNode = onNode;
  }

  /** The shard of entries whose hashes agree in their first `level` bytes. */
  async build(entries: readonly HashedEntry[], level: number): Promise<EncodedNode> {
    if (level >= MAX_LEVELS) throw collision(entries);
    const slots = Map.groupBy(entries, ({ hash }) => hash[level] as number);
    const links: NamedLink[] = [];
    const bitfield = new Uint8Array(FANOUT / 8);
    for (const slot of [...slots.keys()].sort((a, b) => a - b)) {
      const prefix = slot.toString(16).toUpperCase().padStart(SLOT_DIGITS, '0');
      links.push(await this.#link(prefix, slots.get(slot) as HashedEntry[], level));
      const byte = bitfield.length - 1 - (slot >> 3);
      bitfield[byte] = (bitfield[byte] as number) | (1 << (slot & 7));
    }
    const node = await encodeShard(links, withoutLeadingZeros(bitfield), FANOUT);
    this.nodes++;
    await this.#onNode(node.cid, node.bytes);
    return node;
  }

  async #link(prefix: string, entries: readonly HashedEntry[], level: number): Promise<NamedLink> {
    const [first, second] = entries as [HashedEntry, HashedEntry?];
    if (!second) return { name: prefix + first.name, cid: first.cid, tsize: first.tsize };
    const { cid, tsize } = await this.build(entries, level + 1);
    return { name: prefix, cid, tsize };
  }
}

function collision(entries: readonly HashedEntry[]): ShoalError {
  const [a, b] = entries.map(({ name }) => JSON.stringify(name));
  return new ShoalError(
    'ERR_NAME_COLLISION',
    `${a} and ${b} have the same hash and cannot be in one large directory; rename one`,
  );
}

/** murmur3-x64-64, of which kubo takes the bytes from the first to the last. */
function hashOf(name: Uint8Array): Uint8Array {
  return murmur364.encode(name) as Uint8Array;
}

function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.findIndex((byte) => byte !== 0));
}

/** Bytes of the plain directory's node, without encoding it. */
function plainSize(entries: readonly Entry[]): number {
  let size = DIRECTORY_DATA_BYTES;
  for (const { nameBytes, tsize } of entries) {
    const name = nameBytes.byteLength;
    const link = 1 + 1 + CID_BYTES + 1 + varintBytes(name) + name + 1 + varintBytes(tsize);
    size += 1 + varintBytes(link) + link;
  }
  return size;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
