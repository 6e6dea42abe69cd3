import { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkFile, ChunkLayout, ChunkSpace } from './chunk-space.ts';
import type { PageDatabase } from './page-database.ts';
import { checkEstimate } from './storage-error.ts';

/** Chunks in IndexedDB, one record each, so that a chunk is here where its key is: bytes and bit in one change. */
export class IndexedChunks implements ChunkSpace {
  readonly kind = 'indexeddb';
  readonly #db: PageDatabase;

  /** @param db closed by whoever opened it */
  constructor(db: PageDatabase) {
    this.#db = db;
  }

  async open(root: string, layout: ChunkLayout): Promise<ChunkFile> {
    const claims = new Bitfield(layout.count);
    for (const chunk of await this.#db.chunksOf(root)) if (chunk < layout.count) claims.set(chunk);
    return new IndexedChunkFile(this.#db, root, claims);
  }

  claimed(root: string): Promise<number> {
    return this.#db.countChunks(root);
  }

  checkSpace(root: string, bytesMore: number): Promise<void> {
    return checkEstimate(root, bytesMore);
  }

  roots(): Promise<string[]> {
    return this.#db.rootsOfChunks();
  }

  remove(root: string): Promise<void> {
    return this.#db.deleteChunks(root);
  }

  async close(): Promise<void> {}
}

class IndexedChunkFile implements ChunkFile {
  readonly #db: PageDatabase;
  readonly #root: string;
  readonly #claims: Bitfield;

  constructor(db: PageDatabase, root: string, claims: Bitfield) {
    this.#db = db;
    this.#root = root;
    this.#claims = claims;
  }

  claims(): Bitfield {
    return this.#claims.clone();
  }

  async read(chunk: number): Promise<Uint8Array> {
    return (await this.#db.getChunk(this.#root, chunk)) ?? new Uint8Array(0);
  }

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    await this.#db.putChunk(this.#root, chunk, bytes);
    this.#claims.set(chunk);
  }

  async forget(chunk: number): Promise<void> {
    this.#claims.clear(chunk);
    await this.#db.deleteChunks(this.#root, chunk);
  }

  async seal(): Promise<void> {}

  async blob(chunks: Iterable<number>, type: string): Promise<Blob> {
    return blobOf(this, chunks, type);
  }

  async close(): Promise<void> {}
}

/** Chunks as one Blob, a copy, of which no more than one chunk is in the page's heap at a time. */
export async function blobOf(
  file: Pick<ChunkFile, 'read'>,
  chunks: Iterable<number>,
  type: string,
): Promise<Blob> {
  const parts: Blob[] = [];
  for (const chunk of chunks) parts.push(new Blob([(await file.read(chunk)) as Uint8Array<ArrayBuffer>]));
  return new Blob(parts, { type });
}
