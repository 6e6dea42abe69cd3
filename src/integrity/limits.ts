/**
 * The largest leaf, in bytes: 1 MiB, the leaf of the UnixFS profile `unixfs-v1-2025` (IPIP-0499). Every receiver
 * can hold a few of them in memory, and every IPFS implementation accepts blocks of that size.
 */
export const MAX_LEAF_BYTES = 1 << 20;

/**
 * The largest interior node, in bytes: 2 MiB, the block limit of the IPFS network. Nodes that Shoal makes are far
 * smaller: 1,024 links take about 55 KiB, a flat directory at most 256 KiB.
 */
export const MAX_NODE_BYTES = 2 << 20;

/**
 * The longest way from the root to a leaf, in nodes. Paths of 4,096 bytes hardly nest deeper than this, and it
 * keeps recursion far away from the end of the stack.
 */
export const MAX_DEPTH = 128;

/** sha2-256 of nothing: the one leaf that carries no bytes. */
export const EMPTY_DIGEST: Uint8Array = Uint8Array.from([
  0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
  0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/** What one asset may cost this machine. A publisher who exceeds it gets `ERR_ASSET_TOO_LARGE`. */
export interface WalkLimits {
  /** Interior nodes, counted each time one is passed on the way down. Default 2²⁰. */
  maxNodes: number;
  /** Bytes of all interior nodes together. Default 256 MiB. */
  maxNodeBytes: number;
  /** Leaves of all files together, repeated ones included. Default 2²²: 4 TiB in chunks of 1 MiB. */
  maxLeaves: number;
  /** Files, directories and links together. Default 2²⁰. */
  maxEntries: number;
  /** Names in all paths together, which is what the list of entries costs in memory. Default 2²³. */
  maxPathParts: number;
  /** Nodes from the root to a leaf. Default {@link MAX_DEPTH}. */
  maxDepth: number;
}

/** The defaults of {@link WalkLimits}: about half a gigabyte of memory in the worst case, far less in practice. */
export const DEFAULT_LIMITS: WalkLimits = {
  maxNodes: 1 << 20,
  maxNodeBytes: 256 << 20,
  maxLeaves: 1 << 22,
  maxEntries: 1 << 20,
  maxPathParts: 1 << 23,
  maxDepth: MAX_DEPTH,
};
