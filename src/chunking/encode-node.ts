import { encode } from '@ipld/dag-pb';
import type { PBLink } from '@ipld/dag-pb';
import type { CID } from 'multiformats/cid';
import { DAG_PB_CODE, cidOf } from '../integrity/parse-cid.ts';
import { digestOf } from '../integrity/sha256.ts';
import { encodeUnixFs, type UnixFsData } from '../integrity/encode-unixfs.ts';

/** Takes each interior node as it is made, children before parents. */
export type OnNode = (cid: CID, bytes: Uint8Array) => void | Promise<void>;

/** A node that has been encoded. */
export interface EncodedNode {
  cid: CID;
  bytes: Uint8Array;
  /** Bytes of the node and everything below it: the `Tsize` of a link to it. */
  tsize: number;
}

/** A named link of a directory. */
export interface NamedLink {
  name: string;
  cid: CID;
  tsize: number;
}

/** UnixFS hash type of sharded directories: murmur3-x64-64. */
const HAMT_MURMUR3 = 0x22;

/** An interior node of a file. @param sizes content bytes below each link */
export function encodeFileNode(
  links: readonly { cid: CID; tsize: number }[],
  sizes: readonly number[],
): Promise<EncodedNode> {
  const fileSize = sizes.reduce((sum, size) => sum + size, 0);
  return encodeNode(
    { type: 'file', fileSize, blockSizes: sizes },
    links.map(({ cid, tsize }) => ({ Hash: cid, Name: '', Tsize: tsize })),
  );
}

/** A plain directory. @param links sorted by the bytes of their names */
export function encodeDirectory(links: readonly NamedLink[]): Promise<EncodedNode> {
  return encodeNode({ type: 'directory' }, links.map(toPbLink));
}

/**
 * A node of a sharded directory.
 *
 * @param links sorted, each name beginning with its slot in upper-case hex
 * @param slots which slots are taken, big-endian without leading zeros
 */
export function encodeShard(
  links: readonly NamedLink[],
  slots: Uint8Array,
  fanout: number,
): Promise<EncodedNode> {
  return encodeNode({ type: 'shard', data: slots, hashType: HAMT_MURMUR3, fanout }, links.map(toPbLink));
}

/** A symbolic link. @param target its text, as it is */
export function encodeSymlink(target: string): Promise<EncodedNode> {
  return encodeNode({ type: 'symlink', data: new TextEncoder().encode(target) }, []);
}

function toPbLink({ name, cid, tsize }: NamedLink): PBLink {
  return { Hash: cid, Name: name, Tsize: tsize };
}

async function encodeNode(data: UnixFsData, links: PBLink[]): Promise<EncodedNode> {
  const bytes = encode({ Data: encodeUnixFs(data), Links: links });
  let tsize = bytes.byteLength;
  for (const link of links) tsize += link.Tsize ?? 0;
  return { cid: cidOf(DAG_PB_CODE, await digestOf(bytes)), bytes, tsize };
}
