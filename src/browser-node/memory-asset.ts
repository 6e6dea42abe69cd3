import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { StoredAsset } from '../store/store.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';

/**
 * An asset whose chunks are Blobs: outside of the page's heap, on disk where the browser finds them too many, and put
 * together to files without a copy. All handles share it.
 */
export class MemoryAsset implements StoredAsset {
  readonly manifest: Manifest;
  readonly path = undefined;
  readonly #chunks: (Blob | undefined)[];
  readonly #have: Bitfield;

  constructor(manifest: Manifest) {
    this.manifest = manifest;
    this.#chunks = Array.from({ length: manifest.chunkCount });
    this.#have = new Bitfield(manifest.chunkCount);
  }

  get state(): 'complete' | 'partial' {
    return this.#have.isFull ? 'complete' : 'partial';
  }

  have(): Bitfield {
    return this.#have.clone();
  }

  /** Bytes of chunks that are here. */
  bytesHere(): number {
    return this.#chunks.reduce((sum, blob) => sum + (blob?.size ?? 0), 0);
  }

  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    signal?.throwIfAborted();
    const blob = this.#chunkOf(chunk);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await blob.arrayBuffer());
    } catch (cause) {
      throw new ShoalError(
        'ERR_IO',
        `the browser cannot give back chunk ${chunk} of ${this.manifest.root.toString()}: it may be out of memory and disk; open the page anew, and remove what you do not need`,
        { cause },
      );
    }
    return VerifiedChunk.expect(this.manifest.chunkDigest(chunk), bytes, `chunk ${chunk} in this page`);
  }

  async write(chunk: number, data: VerifiedChunk): Promise<void> {
    if (this.#chunks[chunk]) return;
    this.#chunks[chunk] = new Blob([data.bytes as Uint8Array<ArrayBuffer>]);
    this.#have.set(chunk);
  }

  async finish(): Promise<undefined> {
    if (!this.#have.isFull) {
      throw new ShoalError(
        'ERR_INCOMPLETE',
        `not all of ${this.manifest.root.toString()} is here yet; download the rest first`,
      );
    }
  }

  /**
   * A file of the asset. @param file index in the manifest's entries, of a file
   *
   * @throws ERR_CHUNK_MISSING where not all of it is here
   */
  file(file: number, type = ''): Blob {
    const entry = this.manifest.entries[file];
    const leaves = entry?.type === 'file' ? [...entry.leaves] : [];
    return new Blob(
      leaves.map((chunk) => this.#chunkOf(chunk)),
      { type },
    );
  }

  async close(): Promise<void> {}

  #chunkOf(chunk: number): Blob {
    const blob = this.#chunks[chunk];
    if (blob) return blob;
    throw new ShoalError(
      'ERR_CHUNK_MISSING',
      `chunk ${chunk} of ${this.manifest.root.toString()} is not here`,
    );
  }
}
