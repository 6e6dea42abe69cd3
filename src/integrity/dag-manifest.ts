import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { ChunkTable } from './chunk-table.ts';
import { digestEquals } from './verified-chunk.ts';
import { EMPTY_DIGEST } from './limits.ts';
import type { WalkLimits } from './limits.ts';
import type {
  ChunkPlace,
  Manifest,
  ManifestDirectory,
  ManifestEntry,
  ManifestFile,
  ManifestSymlink,
} from './manifest.ts';
import { DAG_PB_CODE, cidOf } from './parse-cid.ts';

/** An entry under construction. */
type Entry = ManifestDirectory | ManifestSymlink | (Omit<ManifestFile, 'leaves'> & { leaves: Uint32Array });

/** The error for an asset that would cost this machine more than the limits allow. */
export function tooLarge(what: string): ShoalError {
  return new ShoalError(
    'ERR_ASSET_TOO_LARGE',
    `The asset has ${what}; share it in smaller parts or with larger chunks`,
    {
      fault: 'none',
    },
  );
}

/**
 * A manifest under construction: {@link DagWalk} calls its methods in depth-first order, then {@link build}.
 * Counts everything it is given against the limits before it takes memory for it.
 */
export class ManifestBuilder {
  readonly #root: CID;
  readonly #limits: WalkLimits;
  readonly #entries: Entry[] = [];
  /** The digests of interior nodes. */
  readonly #nodes: Uint8Array[] = [];
  readonly #chunks: ChunkTable;
  /** For each entry the size of all its leaves but the last; 0 where they differ. */
  readonly #strides: number[] = [];
  #leaves = 0;
  #pathParts = 0;
  #size = 0;
  /** The leaves of all files, one after another, and where in them each file ends. */
  #leafNumbers = new Uint32Array(1024);
  readonly #leafEnds: number[] = [];
  #leafCount = 0;
  /** Where the leaves of the file begin that {@link endFile} will end. */
  #fileStart = 0;
  #fileBytes = 0;
  #stride = 0;

  constructor(root: CID, limits: WalkLimits) {
    this.#root = root;
    this.#limits = limits;
    this.#chunks = new ChunkTable(root.multihash.digest);
  }

  /** An interior node met for the first time. */
  node(cid: CID): void {
    this.#nodes.push(cid.multihash.digest);
  }

  directory(path: readonly string[]): void {
    this.#entry({ type: 'directory', path });
  }

  symlink(path: readonly string[], target: string): void {
    this.#entry({ type: 'symlink', path, target });
  }

  /** A leaf of the file that {@link endFile} will end. The digest is at `digests[at…at + 32)`. */
  leaf(digests: Uint8Array, at: number, size: number): void {
    if (++this.#leaves > this.#limits.maxLeaves) throw tooLarge(`more than ${this.#limits.maxLeaves} chunks`);
    if (size === 0) {
      if (digestEquals(digests.subarray(at, at + 32), EMPTY_DIGEST)) return;
      throw new ShoalError(
        'ERR_ASSET_INVALID',
        'The asset announces a chunk as empty that cannot be; its publisher must share it again',
        {
          fault: 'none',
        },
      );
    }
    const count = this.#leafCount - this.#fileStart;
    if (count === 0) this.#stride = size;
    else if (this.#fileBytes !== count * this.#stride || size > this.#stride) this.#stride = 0;
    const chunk = this.#chunks.add(digests, at, size, this.#entries.length, this.#fileBytes);
    if (this.#leafCount === this.#leafNumbers.length) {
      const larger = new Uint32Array(this.#leafCount * 2);
      larger.set(this.#leafNumbers);
      this.#leafNumbers = larger;
    }
    this.#leafNumbers[this.#leafCount++] = chunk;
    this.#fileBytes += size;
  }

  /** The leaves since the last call are a file. */
  endFile(path: readonly string[]): void {
    this.#entry({ type: 'file', path, size: this.#fileBytes, leaves: NO_LEAVES }, this.#stride);
    this.#leafEnds.push(this.#leafCount);
    this.#size += this.#fileBytes;
    this.#fileStart = this.#leafCount;
    this.#fileBytes = 0;
    this.#stride = 0;
  }

  build(type: Manifest['type']): Manifest {
    if (!Number.isSafeInteger(this.#size)) throw tooLarge('more than 2^53 bytes');
    this.#chunks.freeze();
    // Views of one array: arrays of their own take twice the memory, which tells where files are many and small.
    const leaves = this.#leafNumbers.slice(0, this.#leafCount);
    let file = 0;
    let start = 0;
    for (const entry of this.#entries) {
      if (entry.type !== 'file') continue;
      const end = this.#leafEnds[file++] as number;
      if (end > start) entry.leaves = leaves.subarray(start, end);
      start = end;
    }
    return new DagManifest(
      this.#root,
      type,
      this.#size,
      this.#entries,
      this.#strides,
      this.#nodes,
      this.#chunks,
    );
  }

  #entry(entry: Entry, stride = 0): void {
    this.#pathParts += entry.path.length;
    if (this.#entries.length >= this.#limits.maxEntries)
      throw tooLarge(`more than ${this.#limits.maxEntries} entries`);
    if (this.#pathParts > this.#limits.maxPathParts) throw tooLarge('too many deep paths');
    this.#entries.push(entry);
    this.#strides.push(stride);
  }
}

const NO_LEAVES = new Uint32Array(0);

/** The manifest that a walk ends in. */
class DagManifest implements Manifest {
  readonly root: CID;
  readonly type: Manifest['type'];
  readonly size: number;
  readonly entries: readonly ManifestEntry[];
  /** As CIDs they would take several times as much, and hardly anybody asks. */
  readonly #nodeDigests: readonly Uint8Array[];
  readonly #strides: readonly number[];
  readonly #chunks: ChunkTable;
  /** Start offsets of the leaves of files whose leaves are of different sizes; made when first asked for. */
  readonly #starts = new Map<number, Float64Array>();

  constructor(
    root: CID,
    type: Manifest['type'],
    size: number,
    entries: readonly ManifestEntry[],
    strides: readonly number[],
    nodeDigests: readonly Uint8Array[],
    chunks: ChunkTable,
  ) {
    this.root = root;
    this.type = type;
    this.size = size;
    this.entries = entries;
    this.#nodeDigests = nodeDigests;
    this.#strides = strides;
    this.#chunks = chunks;
  }

  get nodes(): readonly CID[] {
    return this.#nodeDigests.map((digest) => cidOf(DAG_PB_CODE, digest));
  }

  get chunkCount(): number {
    return this.#chunks.count;
  }

  get chunkBytes(): number {
    return this.#chunks.bytes;
  }

  get maxChunkBytes(): number {
    return this.#chunks.maxSize;
  }

  chunkSize(n: number): number {
    return this.#chunks.size(n);
  }

  chunkDigest(n: number): Uint8Array {
    return this.#chunks.digest(n);
  }

  places(n: number, most?: number): readonly ChunkPlace[] {
    return this.#chunks.places(n, most);
  }

  *range(
    file: number,
    offset: number,
    length: number,
  ): Iterable<{ chunk: number; start: number; size: number }> {
    const entry = this.entries[file];
    if (entry?.type !== 'file') throw new RangeError(`entry ${file} is not a file`);
    if (offset < 0 || length < 0) throw new RangeError(`bytes from ${offset}, ${length} of them`);
    const end = Math.min(offset + length, entry.size);
    if (offset >= end) return;
    let { leaf, start } = this.#leafAt(file, entry.leaves, offset);
    for (; start < end; leaf++) {
      const chunk = entry.leaves[leaf] as number;
      const size = this.#chunks.size(chunk);
      yield { chunk, start, size };
      start += size;
    }
  }

  /** The leaf that holds byte `offset`, and where it starts. */
  #leafAt(file: number, leaves: Uint32Array, offset: number): { leaf: number; start: number } {
    const stride = this.#strides[file] as number;
    if (stride > 0) {
      const leaf = Math.floor(offset / stride);
      return { leaf, start: leaf * stride };
    }
    const starts = this.#startsOf(file, leaves);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { leaf: low, start: starts[low] as number };
  }

  #startsOf(file: number, leaves: Uint32Array): Float64Array {
    let starts = this.#starts.get(file);
    if (!starts) {
      starts = new Float64Array(leaves.length);
      let start = 0;
      for (const [i, chunk] of leaves.entries()) {
        starts[i] = start;
        start += this.#chunks.size(chunk);
      }
      this.#starts.set(file, starts);
    }
    return starts;
  }
}
