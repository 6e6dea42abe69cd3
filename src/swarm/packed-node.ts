import type { CID } from 'multiformats/cid';
import { equals } from 'uint8arrays/equals';
import { encodeUnixFs } from '../integrity/encode-unixfs.ts';
import { decodeNode, type DagNode } from '../integrity/decode-node.ts';
import { MAX_NODE_BYTES } from '../integrity/limits.ts';
import { RAW_CODE, SHA256_CODE } from '../integrity/parse-cid.ts';
import { ProtoReader } from '../integrity/proto-reader.ts';
import { ProtoWriter } from '../integrity/proto-writer.ts';

/** In HELLO: whoever says so takes nodes in this form. */
export const PACKED_NODES = 'packed-nodes';

/** A shorter node is not worth the work: a file of up to twenty chunks. */
const LEAST_BYTES = 1024;

const DIGEST_BYTES = 32;

/** What surrounds a digest in a node takes 14 bytes at least, so that what is unpacked stays below the largest node. */
const MAX_LEAVES = Math.floor(MAX_NODE_BYTES / 64);

/** CIDv1, raw, sha2-256, 32 bytes follow. */
const LEAF_PREFIX = [1, RAW_CODE, SHA256_CODE, DIGEST_BYTES];

/**
 * The node of a file whose leaves have one size, but for the last: its digests and two numbers, which is all that cannot be told
 * beforehand, and three fifths of its bytes. Everybody who comes to a crowd at its start takes the nodes from the origin, 56 KB
 * for 1,024 chunks.
 *
 * @param block a node that was verified
 * @returns undefined where it is another kind of node, or not written byte for byte as Shoal writes it
 */
export function packNode(cid: CID, block: Uint8Array): Uint8Array | undefined {
  if (block.byteLength < LEAST_BYTES || block.byteLength > MAX_NODE_BYTES) return undefined;
  const node = tryDecoding(cid, block);
  if (node?.type !== 'file' || node.isLeaf.includes(0)) return undefined;
  const { digests, sizes } = node;
  // A receiver takes no more: very short leaves, as other programs may write them.
  if (sizes.length > MAX_LEAVES) return undefined;
  const [size = 0] = sizes;
  const lastSize = sizes.at(-1) ?? 0;
  // Leaves of several sizes do not come out again, nor what another program wrote in another order.
  if (!equals(encode({ digests, size, lastSize }), block)) return undefined;
  return new ProtoWriter(digests.byteLength + 32).bytes(1, digests).uint(2, size).uint(3, lastSize).finish();
}

/** The node again, to be verified by its CID. @throws RangeError where it is none that {@link packNode} could have made */
export function unpackNode(packed: Uint8Array): Uint8Array {
  const reader = new ProtoReader(packed);
  let digests: Uint8Array = new Uint8Array(0);
  let size = 0;
  let lastSize = 0;
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (field === 1 && wire === 2) digests = reader.bytes();
    else if (field === 2 && wire === 0) size = reader.varint();
    else if (field === 3 && wire === 0) lastSize = reader.varint();
    else reader.skip(wire);
  }
  const count = digests.byteLength / DIGEST_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_LEAVES) {
    throw new RangeError(`${digests.byteLength} bytes of digests`);
  }
  if (!Number.isSafeInteger(count * Math.max(size, lastSize))) throw new RangeError('a size beyond 2^53');
  return encode({ digests, size, lastSize });
}

interface Leaves {
  /** 32 bytes each. */
  digests: Uint8Array;
  /** Of each leaf but the last. */
  size: number;
  lastSize: number;
}

/** As `encodeFileNode` does it: dag-pb's links, and then UnixFS's data. */
function encode({ digests, size, lastSize }: Leaves): Uint8Array {
  const count = digests.byteLength / DIGEST_BYTES;
  const blockSizes = Array.from({ length: count }, (_, i) => (i === count - 1 ? lastSize : size));
  const node = new ProtoWriter(count * 56 + 64);
  const link = new Uint8Array(DIGEST_BYTES + 4);
  link.set(LEAF_PREFIX);
  for (const [i, bytes] of blockSizes.entries()) {
    link.set(digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES), 4);
    node.bytes(2, new ProtoWriter(52).bytes(1, link).text(2, '').required(3, bytes).finish());
  }
  const fileSize = (count - 1) * size + lastSize;
  return node.bytes(1, encodeUnixFs({ type: 'file', fileSize, blockSizes })).finish();
}

function tryDecoding(cid: CID, block: Uint8Array): DagNode | undefined {
  try {
    return decodeNode(cid, block);
  } catch {
    return undefined;
  }
}
