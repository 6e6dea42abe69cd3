import type { Manifest } from '../integrity/manifest.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';

/** Where a page's chunks lie: the origin's private file system, its IndexedDB, or the memory of the page. */
export type SpaceKind = 'opfs' | 'indexeddb' | 'memory';

/** How the distinct chunks of an asset lie behind one another, in the order of their numbers. */
export class ChunkLayout {
  readonly count: number;
  /** Bytes of all chunks. */
  readonly total: number;
  /** Where each chunk begins, and at the end where the last one ends. */
  readonly #starts: Float64Array;

  constructor(manifest: Pick<Manifest, 'chunkCount' | 'chunkSize'>) {
    this.count = manifest.chunkCount;
    this.#starts = new Float64Array(this.count + 1);
    let at = 0;
    for (let chunk = 0; chunk < this.count; chunk++) {
      at += manifest.chunkSize(chunk);
      this.#starts[chunk + 1] = at;
    }
    this.total = at;
  }

  offset(chunk: number): number {
    return this.#starts[chunk] as number;
  }

  size(chunk: number): number {
    return (this.#starts[chunk + 1] as number) - (this.#starts[chunk] as number);
  }
}

/** The chunks of one asset, wherever they lie. Nothing it gives back is trusted: whoever reads hashes. */
export interface ChunkFile {
  /** Which chunks are said to be here. A copy. */
  claims(): Bitfield;
  /** What lies where the chunk belongs: whatever that is, and fewer bytes where there are not as many. */
  read(chunk: number): Promise<Uint8Array>;
  /** Writes the bytes, then claims the chunk. The bytes are the caller's again once it has resolved. */
  write(chunk: number, bytes: Uint8Array): Promise<void>;
  /** Claims the chunk no more. */
  forget(chunk: number): Promise<void>;
  /** All is here: brings it to the disk. Nothing is written from here on. */
  seal(): Promise<void>;
  /** Some chunks behind one another, all of which are here. */
  blob(chunks: Iterable<number>, type: string): Promise<Blob>;
  close(): Promise<void>;
}

/** Where the chunks of many assets lie, each asset under its CID. */
export interface ChunkSpace {
  readonly kind: SpaceKind;
  /**
   * Opens the chunks of an asset, making room for them where there are none. One at a time for each asset.
   *
   * @param isSealed whether all were here and sealed. Where what is found is not as long, nothing is claimed.
   */
  open(root: string, layout: ChunkLayout, isSealed: boolean): Promise<ChunkFile>;
  /** How many chunks of an asset are claimed, without opening it. */
  claimed(root: string, layout: { count: number }): Promise<number>;
  /** @throws ERR_NO_SPACE where so many more bytes would not fit */
  checkSpace(root: string, bytesMore: number): Promise<void>;
  /** All assets of which something is here. */
  roots(): Promise<string[]>;
  /** Deletes what is here of an asset, open or not. */
  remove(root: string): Promise<void>;
  close(): Promise<void>;
}
