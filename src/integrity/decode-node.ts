import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { MAX_LEAF_BYTES } from './limits.ts';
import { ProtoReader } from './proto-reader.ts';
import { isSafeName } from './safe-name.ts';

/** An interior node of a file. Its children lie in parallel arrays, since there are up to a thousand in each of many nodes. */
export interface FileNode {
  type: 'file';
  /** Content bytes below this node. */
  size: number;
  /** 32 bytes a child. */
  digests: Uint8Array;
  /** Content bytes below each child. */
  sizes: Float64Array;
  /** 1 where the child is a leaf, 0 where it is another interior node. */
  isLeaf: Uint8Array;
}

/** A link of a directory, or an entry of a shard. */
export interface DirectoryLink {
  name: string;
  /** The child's digest: a view of the node's block. */
  digest: Uint8Array;
  /** Whether the child is a leaf, which makes it a file of `tsize` bytes. */
  isLeaf: boolean;
  /** For a leaf its size. Otherwise what the publisher claims the whole child DAG takes: unproven. */
  tsize: number | undefined;
}

export interface DirectoryNode {
  type: 'directory';
  links: DirectoryLink[];
}

/** A node of a sharded directory. A link with an empty name leads to a sub-shard. */
export interface ShardNode {
  type: 'shard';
  fanout: number;
  links: DirectoryLink[];
}

export interface SymlinkNode {
  type: 'symlink';
  target: string;
}

export type DagNode = FileNode | DirectoryNode | ShardNode | SymlinkNode;

/** The 4 bytes that every supported CID begins with: version 1, codec, sha2-256, 32 bytes. */
const RAW_PREFIX = 0x01_55_12_20;
const DAG_PB_PREFIX = 0x01_70_12_20;

/** UnixFS `Data.DataType`. */
const TYPE_NAMES = ['raw', 'directory', 'file', 'metadata', 'symlink', 'shard'] as const;

/** murmur3-x64-64, the only hash that UnixFS sharding uses. */
const HAMT_MURMUR3 = 0x22;
/** PATH_MAX of Linux: no system takes a longer link text. */
const MAX_TARGET_BYTES = 4096;

// Fatal, and without dropping a byte order mark: otherwise two different names could come out as one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes an interior node whose hash has been checked, and checks everything about it that can be checked without
 * its children. What is wrong with such a node is its publisher's doing, so the errors blame no peer.
 *
 * @throws ERR_ASSET_INVALID where no honest program makes such a node, ERR_UNSUPPORTED_DAG where the form is legal in
 * UnixFS but not one that Shoal speaks (its leaves are not raw blocks, say)
 */
export function decodeNode(cid: CID, block: Uint8Array): DagNode {
  try {
    return decode(block);
  } catch (cause) {
    if (cause instanceof Unsupported) {
      throw new ShoalError('ERR_UNSUPPORTED_DAG', `Node ${cid.toString()} ${cause.message}`, {
        fault: 'none',
      });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ShoalError(
      'ERR_ASSET_INVALID',
      `Node ${cid.toString()} is malformed: ${why}; its publisher must share it again`,
      {
        fault: 'none',
        cause,
      },
    );
  }
}

class Unsupported extends Error {}

interface Link {
  digest: Uint8Array;
  isLeaf: boolean;
  name: string;
  tsize: number | undefined;
}

function decode(block: Uint8Array): DagNode {
  const { links, data } = decodePbNode(block);
  const unixfs = decodeUnixFs(data);
  switch (unixfs.type) {
    case 'file':
      return fileNode(links, unixfs);
    case 'directory':
      return { type: 'directory', links: links.map((link) => checkedEntry(link)) };
    case 'shard':
      return shardNode(links, unixfs);
    case 'symlink':
      return symlinkNode(links, unixfs);
    default:
      throw new Unsupported(
        `is of UnixFS type "${unixfs.type}"; files with raw leaves, directories and links are supported`,
      );
  }
}

/** PBNode of dag-pb: links (field 2) and data (field 1), each together, in either order. */
function decodePbNode(block: Uint8Array): { links: Link[]; data: Uint8Array } {
  const reader = new ProtoReader(block);
  const links: Link[] = [];
  let data: Uint8Array | undefined;
  let linksClosed = false;
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (wire !== 2 || (field !== 1 && field !== 2)) throw new Error(`it has an unknown field ${field}`);
    if (field === 2) {
      if (linksClosed) throw new Error('its links are in two places');
      links.push(decodePbLink(reader.bytes()));
    } else {
      if (data) throw new Error('it has data twice');
      data = reader.bytes();
      linksClosed = links.length > 0;
    }
  }
  if (!data) throw new Error('it has no UnixFS data');
  return { links, data };
}

/** PBLink: hash, name and size, in this order. */
function decodePbLink(bytes: Uint8Array): Link {
  const reader = new ProtoReader(bytes);
  let hash: Uint8Array | undefined;
  let name = '';
  let tsize: number | undefined;
  let last = 0;
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (field <= last || wire !== (field === 3 ? 0 : 2)) throw new Error('a link has a field out of place');
    if (field === 1) hash = reader.bytes();
    else if (field === 2) name = decodeText(reader.bytes(), 'a name');
    else if (field === 3) tsize = reader.varint();
    else throw new Error(`a link has an unknown field ${field}`);
    last = field;
  }
  if (!hash) throw new Error('a link leads nowhere');
  const prefix = hash.byteLength === 36 ? prefixOf(hash) : 0;
  if (prefix !== RAW_PREFIX && prefix !== DAG_PB_PREFIX) {
    throw new Unsupported('links to something other than a CIDv1 of codec raw or dag-pb with sha2-256');
  }
  return { digest: hash.subarray(4), isLeaf: prefix === RAW_PREFIX, name, tsize };
}

function prefixOf(hash: Uint8Array): number {
  return new DataView(hash.buffer, hash.byteOffset, 4).getUint32(0);
}

interface UnixFsData {
  type: (typeof TYPE_NAMES)[number];
  data: Uint8Array | undefined;
  fileSize: number | undefined;
  blockSizes: number[];
  hashType: number | undefined;
  fanout: number | undefined;
}

/** The `Data` message of the UnixFS specification. Mode and modification time (fields 7 and 8) are passed over. */
function decodeUnixFs(bytes: Uint8Array): UnixFsData {
  const reader = new ProtoReader(bytes);
  const blockSizes: number[] = [];
  let type: UnixFsData['type'] | undefined;
  let data: Uint8Array | undefined;
  let fileSize: number | undefined;
  let hashType: number | undefined;
  let fanout: number | undefined;
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (field === 1 && wire === 0) type = typeName(reader.varint());
    else if (field === 2 && wire === 2) data = reader.bytes();
    else if (field === 3 && wire === 0) fileSize = reader.varint();
    else if (field === 4 && wire === 0) blockSizes.push(reader.varint());
    else if (field === 4 && wire === 2) unpack(reader.bytes(), blockSizes);
    else if (field === 5 && wire === 0) hashType = reader.varint();
    else if (field === 6 && wire === 0) fanout = reader.varint();
    else if (field > 6) reader.skip(wire);
    else throw new Error(`its UnixFS data has a bad field ${field}`);
  }
  if (type === undefined) throw new Error('its UnixFS type is missing');
  return { type, data, fileSize, blockSizes, hashType, fanout };
}

function typeName(value: number): UnixFsData['type'] {
  const name = TYPE_NAMES[value];
  if (name === undefined) throw new Error(`UnixFS type ${value} does not exist`);
  return name;
}

function unpack(bytes: Uint8Array, into: number[]): void {
  const packed = new ProtoReader(bytes);
  while (!packed.ended) into.push(packed.varint());
}

function fileNode(links: readonly Link[], unixfs: UnixFsData): FileNode {
  if (links.length === 0 || (unixfs.data && unixfs.data.byteLength > 0)) {
    throw new Unsupported(
      'keeps file content inside a dag-pb node; only raw leaves are supported (`ipfs add --raw-leaves`)',
    );
  }
  if (unixfs.blockSizes.length !== links.length) {
    throw new Error(`it has ${links.length} links and ${unixfs.blockSizes.length} block sizes`);
  }
  const node: FileNode = {
    type: 'file',
    size: 0,
    digests: new Uint8Array(links.length * 32),
    sizes: Float64Array.from(unixfs.blockSizes),
    isLeaf: new Uint8Array(links.length),
  };
  for (const [i, { digest, isLeaf, name, tsize }] of links.entries()) {
    const size = unixfs.blockSizes[i] as number;
    if (name !== '') throw new Error('a part of a file has a name');
    if (size === 0) throw new Error('a part of a file is empty');
    if (isLeaf) checkLeafSize(size, tsize);
    node.digests.set(digest, i * 32);
    node.isLeaf[i] = isLeaf ? 1 : 0;
    node.size += size;
  }
  if (!Number.isSafeInteger(node.size)) throw new Error('its size is beyond 2^53');
  if (unixfs.fileSize !== undefined && unixfs.fileSize !== node.size) {
    throw new Error(`it announces ${unixfs.fileSize} bytes but its parts have ${node.size}`);
  }
  return node;
}

function checkLeafSize(size: number, tsize: number | undefined): void {
  if (tsize !== undefined && tsize !== size)
    throw new Error(`a leaf is announced with ${size} and with ${tsize} bytes`);
  if (size > MAX_LEAF_BYTES) {
    throw new Unsupported(`has a leaf of ${size} bytes; the largest that is supported is ${MAX_LEAF_BYTES}`);
  }
}

function checkedEntry({ name, digest, isLeaf, tsize }: Link): DirectoryLink {
  if (!isSafeName(name))
    throw new Error(`it has an entry with the unsafe name ${JSON.stringify(name.slice(0, 100))}`);
  if (isLeaf) {
    if (tsize === undefined) throw new Unsupported(`does not say how large ${JSON.stringify(name)} is`);
    checkLeafSize(tsize, tsize);
  }
  return { name, digest, isLeaf, tsize };
}

/** The HAMTDirectory of the UnixFS specification: each name begins with the slot's number in upper-case hex. */
function shardNode(links: readonly Link[], { fanout, hashType }: UnixFsData): ShardNode {
  if (fanout === undefined || hashType !== HAMT_MURMUR3)
    throw new Unsupported('is a sharded directory of an unknown kind');
  if (fanout < 8 || fanout > 1024 || !Number.isInteger(Math.log2(fanout))) {
    throw new Unsupported(
      `is a sharded directory with a fanout of ${fanout}; powers of two from 8 to 1024 are supported`,
    );
  }
  if (links.length === 0) throw new Error('a shard is empty');
  const digits = (fanout - 1).toString(16).length;
  let last = -1;
  const checked = links.map((link) => {
    const prefix = link.name.slice(0, digits);
    const slot = /^[0-9A-F]+$/.test(prefix) && prefix.length === digits ? Number.parseInt(prefix, 16) : -1;
    if (slot <= last || slot >= fanout) throw new Error('a shard has a slot out of order');
    last = slot;
    const name = link.name.slice(digits);
    if (name !== '') return checkedEntry({ ...link, name });
    if (link.isLeaf) throw new Error('a leaf stands where a sub-shard belongs');
    return { name, digest: link.digest, isLeaf: false, tsize: link.tsize };
  });
  return { type: 'shard', fanout, links: checked };
}

function symlinkNode(links: readonly Link[], { data }: UnixFsData): SymlinkNode {
  if (links.length > 0 || !data || data.byteLength === 0) throw new Error('a symbolic link has no text');
  if (data.byteLength > MAX_TARGET_BYTES) throw new Error('the text of a symbolic link is too long');
  const target = decodeText(data, 'the text of a symbolic link');
  if (target.includes('\0')) throw new Error('the text of a symbolic link contains NUL');
  return { type: 'symlink', target };
}

function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error(`${what} is not UTF-8`);
  }
}
