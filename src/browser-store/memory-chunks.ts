import { ShoalError } from '../errors.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkFile, ChunkLayout, ChunkSpace } from './chunk-space.ts';

/** What a page may keep in memory, chunks and interior nodes together. */
export class MemoryBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @throws ERR_NO_SPACE */
  check(root: string, bytes: number): void {
    if (this.#usedBytes + bytes <= this.#maxBytes) return;
    throw new ShoalError(
      'ERR_NO_SPACE',
      `${root} takes ${bytes} bytes more, and this page keeps ${this.#maxBytes} in memory at most, of which ${this.#usedBytes} are taken; remove an asset, or raise memoryBytes`,
    );
  }

  /** @throws ERR_NO_SPACE */
  take(root: string, bytes: number): void {
    this.check(root, bytes);
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/**
 * Chunks as Blobs: outside of the page's heap, on disk where the browser finds them too many, put together to files
 * without a copy, and gone with the page.
 */
export class MemoryChunks implements ChunkSpace {
  readonly kind = 'memory';
  readonly #budget: MemoryBudget;
  readonly #files = new Map<string, MemoryChunkFile>();

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  async open(root: string, layout: ChunkLayout): Promise<ChunkFile> {
    let file = this.#files.get(root);
    if (!file) {
      this.#budget.take(root, layout.total);
      file = new MemoryChunkFile(root, layout);
      this.#files.set(root, file);
    }
    return file;
  }

  async claimed(root: string): Promise<number> {
    return this.#files.get(root)?.claims().count ?? 0;
  }

  async checkSpace(root: string, bytesMore: number): Promise<void> {
    if (!this.#files.has(root)) this.#budget.check(root, bytesMore);
  }

  async roots(): Promise<string[]> {
    return [...this.#files.keys()];
  }

  async remove(root: string): Promise<void> {
    this.#budget.give(this.#files.get(root)?.layout.total ?? 0);
    this.#files.delete(root);
  }

  async close(): Promise<void> {}
}

class MemoryChunkFile implements ChunkFile {
  readonly layout: ChunkLayout;
  readonly #root: string;
  readonly #chunks: (Blob | undefined)[];
  readonly #claims: Bitfield;

  constructor(root: string, layout: ChunkLayout) {
    this.#root = root;
    this.layout = layout;
    this.#chunks = Array.from({ length: layout.count });
    this.#claims = new Bitfield(layout.count);
  }

  claims(): Bitfield {
    return this.#claims.clone();
  }

  async read(chunk: number): Promise<Uint8Array> {
    const blob = this.#chunks[chunk];
    if (!blob) return new Uint8Array(0);
    try {
      return new Uint8Array(await blob.arrayBuffer());
    } catch (cause) {
      throw new ShoalError(
        'ERR_IO',
        `the browser cannot give back chunk ${chunk} of ${this.#root}: it may be out of memory and disk; open the page anew, and remove what you do not need`,
        { cause },
      );
    }
  }

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    this.#chunks[chunk] = new Blob([bytes as Uint8Array<ArrayBuffer>]);
    this.#claims.set(chunk);
  }

  async forget(chunk: number): Promise<void> {
    this.#chunks[chunk] = undefined;
    this.#claims.clear(chunk);
  }

  async seal(): Promise<void> {}

  async blob(chunks: Iterable<number>, type: string): Promise<Blob> {
    return new Blob(
      [...chunks].map((chunk) => this.#chunks[chunk] as Blob),
      { type },
    );
  }

  async close(): Promise<void> {}
}
