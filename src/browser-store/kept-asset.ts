import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { digestEquals, VerifiedChunk } from '../integrity/verified-chunk.ts';
import { forEachBounded } from '../store/bounded.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkFile } from './chunk-space.ts';
import type { PageContent } from './page-handle.ts';
import type { RecentChunks } from './recent-chunks.ts';
import { storageError, unlessLost } from './storage-error.ts';

/** Chunks read side by side when they are checked: the next is read while one is hashed. */
const PARALLEL_READS = 4;

/** What {@link KeptAsset.check} reports to: bytes checked so far, and how many there are. */
export type OnCheck = (bytes: number, total: number) => void;

/** What becomes of an asset, for the store to note. */
export interface KeptAssetHost {
  /** Of all assets. */
  readonly recent: RecentChunks;
  /** All of it is here. */
  completed(): Promise<void>;
  /** It was complete, and a chunk is not what it was. */
  damaged(): void;
}

/** The chunks of an asset that a page fetched, or is fetching; shared by all handles of its root. */
export class KeptAsset implements PageContent {
  readonly manifest: Manifest;
  readonly #file: ChunkFile;
  readonly #host: KeptAssetHost;
  readonly #root: string;
  readonly #have: Bitfield;
  readonly #writing = new Map<number, Promise<void>>();
  #isComplete: boolean;

  /** @param isComplete whether all was here and sealed; else nothing counts as here before {@link check} */
  constructor(manifest: Manifest, file: ChunkFile, isComplete: boolean, host: KeptAssetHost) {
    this.manifest = manifest;
    this.#file = file;
    this.#host = host;
    this.#root = manifest.root.toString();
    this.#isComplete = isComplete;
    this.#have = isComplete ? file.claims() : new Bitfield(manifest.chunkCount);
  }

  get state(): 'complete' | 'partial' {
    return this.#isComplete ? 'complete' : 'partial';
  }

  /** It was complete, and is so no more: only when it is opened anew is there a place for what was lost. */
  get isDamaged(): boolean {
    return this.#isComplete && !this.#have.isFull;
  }

  have(): Bitfield {
    return this.#have.clone();
  }

  bytesHere(): number {
    const { manifest } = this;
    if (this.#have.isFull) return manifest.chunkBytes;
    return numbersIn(this.#have).reduce((sum, chunk) => sum + manifest.chunkSize(chunk), 0);
  }

  /**
   * Hashes every chunk that is said to be here, and forgets the ones that are not what they should be: a power cut may
   * lose bytes and keep their bits.
   *
   * @returns bytes that were right, and that were not
   */
  async check(signal?: AbortSignal, onCheck?: OnCheck): Promise<{ bytesGood: number; bytesBad: number }> {
    const chunks = numbersIn(this.#file.claims());
    const total = chunks.reduce((sum, chunk) => sum + this.manifest.chunkSize(chunk), 0);
    const found = { bytesGood: 0, bytesBad: 0 };
    const checkOne = async (chunk: number): Promise<void> => {
      const size = this.manifest.chunkSize(chunk);
      if (await this.#verified(chunk)) {
        this.#have.set(chunk);
        found.bytesGood += size;
      } else {
        found.bytesBad += size;
        await this.#forget(chunk);
      }
      onCheck?.(found.bytesGood + found.bytesBad, total);
    };
    signal?.throwIfAborted();
    await forEachBounded(chunks, PARALLEL_READS, checkOne, signal);
    return found;
  }

  /** @throws ERR_CHUNK_MISSING, ERR_FILE_CHANGED, ERR_IO */
  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    signal?.throwIfAborted();
    if (!this.#have.has(chunk)) throw this.#isComplete ? this.#lost(`chunk ${chunk}`) : this.#missing(chunk);
    const verified = this.#host.recent.read(this.#nameOf(chunk)) ?? (await this.#verified(chunk));
    if (verified) return verified;
    await this.#forget(chunk);
    throw this.#lost(`chunk ${chunk}`);
  }

  async write(chunk: number, data: VerifiedChunk): Promise<void> {
    if (this.#have.has(chunk)) return;
    let writing = this.#writing.get(chunk);
    if (!writing) {
      writing = this.#write(chunk, data).finally(() => this.#writing.delete(chunk));
      this.#writing.set(chunk, writing);
    }
    await writing;
  }

  /** @throws ERR_INCOMPLETE; ERR_FILE_CHANGED where it was complete */
  async finish(): Promise<void> {
    if (this.isDamaged) throw this.#lost('a part');
    if (this.#isComplete) return;
    if (!this.#have.isFull) {
      throw new ShoalError('ERR_INCOMPLETE', `not all of ${this.#root} is here yet; download the rest first`);
    }
    await this.#guard('finish the file', () => this.#file.seal());
    this.#isComplete = true;
    await this.#host.completed();
  }

  /**
   * A file of the asset. @param file index in the manifest's entries, of a file
   *
   * @throws ERR_CHUNK_MISSING where not all of it is here
   */
  async blob(file: number, type: string): Promise<Blob> {
    const entry = this.manifest.entries[file];
    const leaves = entry?.type === 'file' ? entry.leaves : [];
    for (const chunk of leaves) if (!this.#have.has(chunk)) throw this.#missing(chunk);
    return this.#guard('give a file', () => this.#file.blob(leaves, type));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writing.values());
    await this.#file.close();
  }

  async #write(chunk: number, data: VerifiedChunk): Promise<void> {
    const { bytes, digest } = data;
    if (!digestEquals(digest, this.manifest.chunkDigest(chunk)))
      throw new ShoalError('ERR_CHUNK_HASH_MISMATCH', `what was to be written is not chunk ${chunk}`);
    if (bytes.byteLength !== this.manifest.chunkSize(chunk)) {
      throw new ShoalError(
        'ERR_ASSET_INVALID',
        `the asset announces chunk ${chunk} with ${this.manifest.chunkSize(chunk)} bytes and it has ${bytes.byteLength}; its publisher must share it again`,
        { fault: 'none' },
      );
    }
    await this.#guard(`keep chunk ${chunk}`, () => this.#file.write(chunk, bytes));
    this.#have.set(chunk);
    this.#host.recent.keep(this.#nameOf(chunk), data);
  }

  #nameOf(chunk: number): string {
    return `${this.#root}/${chunk}`;
  }

  async #verified(chunk: number): Promise<VerifiedChunk | undefined> {
    const bytes = await unlessLost(this.#file.read(chunk));
    return bytes && VerifiedChunk.verify(this.manifest.chunkDigest(chunk), bytes);
  }

  async #forget(chunk: number): Promise<void> {
    this.#have.clear(chunk);
    if (this.#isComplete) this.#host.damaged();
    await this.#file.forget(chunk);
  }

  async #guard<T>(doing: string, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      throw await storageError(error, this.#root, doing);
    }
  }

  #lost(what: string): ShoalError {
    return new ShoalError(
      'ERR_FILE_CHANGED',
      `the browser lost ${what} of ${this.#root}; get it again to have it whole`,
    );
  }

  #missing(chunk: number): ShoalError {
    return new ShoalError('ERR_CHUNK_MISSING', `chunk ${chunk} of ${this.#root} is not here`);
  }
}

function numbersIn(bits: Bitfield): number[] {
  const numbers: number[] = [];
  for (let n = 0; n < bits.size; n++) if (bits.has(n)) numbers.push(n);
  return numbers;
}
