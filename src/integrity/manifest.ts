import type { CID } from 'multiformats/cid';

/** One file, directory or symbolic link of an asset. */
export type ManifestEntry = ManifestFile | ManifestDirectory | ManifestSymlink;

export interface ManifestFile {
  type: 'file';
  /** Path segments below the asset's root, each already checked by `isSafeName`; `[]` where the asset is this file. */
  path: readonly string[];
  /** Content bytes. */
  size: number;
  /** The chunk number of each leaf, in file order. A number recurs where leaves are equal. Empty for an empty file: nothing is no chunk. */
  leaves: Uint32Array;
}

export interface ManifestDirectory {
  type: 'directory';
  path: readonly string[];
}

export interface ManifestSymlink {
  type: 'symlink';
  path: readonly string[];
  /** The link's text, never followed. */
  target: string;
}

/** Where a chunk's bytes lie in the asset: in `entries[file]` (a file) at byte `offset`. */
export interface ChunkPlace {
  file: number;
  offset: number;
}

/**
 * Everything about an asset but its bytes, proven from the root CID: what {@link DagWalk} ends in.
 * Chunks are the distinct leaves, numbered by first occurrence, depth first; equal leaves share a number.
 */
export interface Manifest {
  readonly root: CID;
  /** What the root is. */
  readonly type: 'file' | 'directory' | 'symlink';
  /** Sum of the sizes of all files, in bytes: what a full copy takes on disk. */
  readonly size: number;
  /**
   * Depth first, directories before what they contain, in the order of the DAG's links. For a file or link asset:
   * that one entry with path `[]`. The root directory itself is not listed, so an empty one has no entries.
   */
  readonly entries: readonly ManifestEntry[];
  readonly chunkCount: number;
  /** Sum of the sizes of the distinct chunks: what a full download moves. */
  readonly chunkBytes: number;
  /** The largest chunk, in bytes. */
  readonly maxChunkBytes: number;
  /**
   * Every interior (dag-pb) node's CID, each once, depth first, the root first where it is one; what `NODES` may be
   * asked for. Empty where the root is a raw leaf: then `NODES` may be asked for that root, which is chunk 0.
   */
  readonly nodes: readonly CID[];
  /** Bytes of chunk `n`. */
  chunkSize(n: number): number;
  /** sha2-256 digest of chunk `n`, 32 bytes, a view that must not be written to. */
  chunkDigest(n: number): Uint8Array;
  /**
   * Where chunk `n` lies, first occurrence first. At least one.
   *
   * @param most at most so many, since a chunk of zeros can lie at a million places. Default: every one
   */
  places(n: number, most?: number): readonly ChunkPlace[];
  /** The chunks that cover bytes `[offset, offset + length)` of `entries[file]`, in file order, with each leaf's start offset in the file. */
  range(
    file: number,
    offset: number,
    length: number,
  ): Iterable<{ chunk: number; start: number; size: number }>;
}
