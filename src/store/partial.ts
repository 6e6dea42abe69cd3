import { rename, type FileHandle } from 'node:fs/promises';
import { ShoalError } from '../errors.ts';
import type { ChunkPlace, Manifest, ManifestFile } from '../integrity/manifest.ts';
import { digestEquals, type VerifiedChunk } from '../integrity/verified-chunk.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import type { BitmapFile } from './bitmap-file.ts';
import { forEachBounded, Slots } from './bounded.ts';
import { checkTail, NOT_A_FILE } from './file-jobs.ts';
import { stampOf, type FileStamp, type FileStamps } from './file-stamps.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import type { WaryOwner, HandlePool } from './handle-pool.ts';
import { lookAt } from './look-at.ts';
import { OwnWrites } from './own-writes.ts';
import { makeLinks, syncTree, tampered, type SkippedLinks } from './partial-tree.ts';
import type { PlacedContent } from './placed-content.ts';
import { readFilePart, writeFilePart } from './read-file-part.ts';
import type { Seals } from './seals.ts';
import { isSmallOfMany, type SmallFiles, type SmallWrite } from './small-files.ts';
import { entryPath } from './tree-layout.ts';

/** Chunks written side by side: enough to keep Node's four file threads busy. */
const PARALLEL_WRITES = 8;

/** Chunks read side by side when a partial is checked. */
const PARALLEL_READS = 4;

/** The same of small files, and places of one chunk that are written side by side: enough for a few jobs. */
const PARALLEL_SMALL = 256;

/** What a {@link Partial} is made from. */
export interface PartialInit {
  manifest: Manifest;
  /** Absolute path of the partial file or folder, whose tree has been made. */
  base: string;
  bitmap: BitmapFile;
  pool: HandlePool;
  small: SmallFiles;
  seals: Seals;
  /** Called after each chunk with the bytes of chunks that are here now. */
  onBytesHere: (bytes: number) => void;
}

/**
 * A download under way: chunks are written to all their places, then their bit is set. Nothing is `have` before both
 * are done, and nothing that its bitmap claimed from before until {@link check} has hashed it again.
 */
export class Partial implements WaryOwner {
  readonly state = 'partial';
  readonly #manifest: Manifest;
  #base: string;
  readonly #bitmap: BitmapFile;
  readonly #pool: HandlePool;
  readonly #small: SmallFiles;
  readonly #seals: Seals;
  readonly #onBytesHere: (bytes: number) => void;
  readonly #have: Bitfield;
  readonly #own: OwnWrites;
  readonly #slots = new Slots(PARALLEL_WRITES);
  readonly #writing = new Map<number, Promise<void>>();
  readonly #reading = new Set<Promise<unknown>>();
  #bytesHere = 0;
  /** While the files are being moved: reads and writes wait for it, and it for those that have begun. */
  #moving: Promise<void> | undefined;
  #isEnded = false;
  /** Nothing was written since all of it was brought to the disk. */
  #isSealed = false;
  /** What it became when it was finished. */
  #successor: PlacedContent | undefined;

  constructor(init: PartialInit) {
    this.#manifest = init.manifest;
    this.#base = init.base;
    this.#bitmap = init.bitmap;
    this.#pool = init.pool;
    this.#small = init.small;
    this.#seals = init.seals;
    this.#onBytesHere = init.onBytesHere;
    this.#have = new Bitfield(init.manifest.chunkCount);
    this.#own = new OwnWrites(init.manifest.entries.length);
  }

  get base(): string {
    return this.#base;
  }

  /** Bytes of distinct chunks that are here. */
  get bytesHere(): number {
    return this.#bytesHere;
  }

  get isFull(): boolean {
    return this.#have.isFull;
  }

  /** Whether {@link seal} would find nothing to do: a chunk that was damaged may have been written anew since. */
  get isSealed(): boolean {
    return this.#isSealed;
  }

  have(): Bitfield {
    return this.#have.clone();
  }

  /** Bytes on disk that are still to be written, chunks that recur counted each time. */
  bytesMissing(): number {
    let bytes = this.#manifest.size;
    for (let chunk = 0; chunk < this.#manifest.chunkCount; chunk++) {
      if (this.#have.has(chunk))
        bytes -= this.#manifest.chunkSize(chunk) * this.#manifest.places(chunk).length;
    }
    return bytes;
  }

  /**
   * Hashes every chunk that the bitmap claims, at all its places, and forgets the ones that fail. One that the disk does not
   * give is not here either, so that it can be written anew, as a bad sector has to be; its bit stays, since the disk may
   * give it another time.
   *
   * @returns the bytes of those
   * @throws ERR_IO where the disk gives none
   */
  async check(signal?: AbortSignal, onCheck?: (bytes: number, total: number) => void): Promise<number> {
    const chunks = numbersIn(this.#bitmap.claims());
    const total = chunks.reduce((sum, chunk) => sum + this.#manifest.chunkSize(chunk), 0);
    const unreadable = new Map<number, ShoalError>();
    let checked = 0;
    let damaged = 0;
    const checkOne = async (chunk: number): Promise<void> => {
      const isIntact = await this.#isIntact(chunk).catch((error: unknown) => {
        if (!(error instanceof ShoalError) || error.code !== 'ERR_IO') throw error;
        unreadable.set(chunk, error);
      });
      if (isIntact) this.#add(chunk);
      else damaged += this.#manifest.chunkSize(chunk);
      if (isIntact === false) await this.#forget(chunk);
      checked += this.#manifest.chunkSize(chunk);
      onCheck?.(checked, total);
    };
    await this.#forEachChunk(chunks, checkOne, signal);
    for (const error of unreadable.values()) if (unreadable.size === chunks.length) throw error;
    for (const chunk of unreadable.keys()) this.#drop(chunk);
    this.#onBytesHere(this.#bytesHere);
    return damaged;
  }

  /**
   * Hashes every chunk at all its places, up to the first that is not right. Nothing is changed: it may be somebody's own
   * by now.
   *
   * @returns what the files are, where they have the asset's content and nothing else
   */
  async stampsIfWhole(
    signal?: AbortSignal,
    onCheck?: (bytes: number, total: number) => void,
  ): Promise<FileStamps | undefined> {
    let checked = 0;
    let isWhole = true;
    const checkOne = async (chunk: number): Promise<void> => {
      if (!isWhole) return;
      if (!(await this.#isIntact(chunk))) isWhole = false;
      checked += this.#manifest.chunkSize(chunk);
      onCheck?.(checked, this.#manifest.chunkBytes);
    };
    await this.#forEachChunk(this.#allChunks(), checkOne, signal);
    if (!isWhole) return undefined;
    const stamps = await this.#sync();
    for (const [file, entry] of this.#manifest.entries.entries()) {
      if (entry.type !== 'file') continue;
      if (hasOtherSize(file, entry, stamps) || this.#own.isSuspect(file, stamps)) return undefined;
    }
    return stamps;
  }

  /** @throws ERR_CHUNK_MISSING; ERR_CLOSED; ERR_FILE_CHANGED where it was here and is damaged: then it can be written again */
  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    while (this.#moving) await this.#moving;
    if (this.#successor) return this.#successor.read(chunk, signal);
    signal?.throwIfAborted();
    if (this.#isEnded) throw hasEnded();
    if (!this.#have.has(chunk)) {
      throw new ShoalError(
        'ERR_CHUNK_MISSING',
        `chunk ${chunk} of ${this.#manifest.root.toString()} is not here yet`,
      );
    }
    const place = this.#manifest.places(chunk, 1)[0] as ChunkPlace;
    const reading = this.#readPlace(chunk, place.file, place.offset);
    this.#reading.add(reading);
    const verified = await reading.finally(() => this.#reading.delete(reading));
    if (verified) return verified;
    await this.#forget(chunk);
    throw new ShoalError(
      'ERR_FILE_CHANGED',
      `something changed the unfinished download ${this.#base}; chunk ${chunk} of it is fetched again`,
    );
  }

  /** See `StoredAsset.write`. */
  async write(chunk: number, data: VerifiedChunk, isReadSoon = true): Promise<void> {
    if (this.#have.has(chunk)) return;
    while (this.#moving) await this.#moving;
    let writing = this.#writing.get(chunk);
    if (!writing) {
      const write = (): Promise<void> => this.#write(chunk, data, isReadSoon);
      // Small files are written many at a time, in few jobs: each must not wait for a slot.
      writing = this.#isSmall(chunk) ? write() : this.#slots.run(write);
      writing = writing.finally(() => this.#writing.delete(chunk));
      this.#writing.set(chunk, writing);
    }
    await writing;
  }

  /**
   * All is here: makes the links, brings all of it to the disk, and hashes again what somebody else wrote to.
   *
   * @throws ERR_FILE_CHANGED where chunks were changed: then they can be written again
   */
  async seal(): Promise<{ stamps: FileStamps; skippedLinks: SkippedLinks }> {
    await this.#settle();
    this.#isSealed = true;
    const skippedLinks = await makeLinks(this.#base, this.#manifest);
    const stamps = await this.#sync();
    await this.#checkSuspects(stamps);
    await this.#pool.release(this);
    // After a power cut it tells that what lies at the target is this, where that was not noted yet.
    await this.#bitmap.sync();
    return { stamps, skippedLinks };
  }

  /**
   * Runs `task` while nobody reads or writes; for moving the files.
   *
   * @param task may return what takes over from here on
   */
  async pause(task: () => Promise<PlacedContent | void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#moving = promise;
    try {
      await this.#settle();
      await this.#pool.release(this);
      this.#successor = (await task()) ?? undefined;
    } finally {
      this.#moving = undefined;
      resolve();
    }
  }

  /** Moves the files by rename. @throws the file system's own error, e.g. `EXDEV` */
  async moveTo(base: string): Promise<void> {
    await this.pause(async () => {
      await rename(this.#base, base);
      this.#base = base;
    });
  }

  /** @throws ERR_PARTIAL_TAMPERED where the file lies elsewhere by now: see {@link checkTail} */
  onOpened(fd: number, path: string): void {
    try {
      checkTail(fd, path, this.#base);
    } catch (error) {
      throw tampered(path, error);
    }
  }

  /** Releases the files. What is under way is waited for; later writes fail. */
  async close(): Promise<void> {
    this.#isEnded = true;
    await this.#settle();
    await this.#pool.release(this);
    await this.#bitmap.close();
  }

  async #sync(): Promise<FileStamps> {
    // Something else may lie in a file's place by now.
    await this.#pool.release(this);
    return syncTree(this, this.#pool, this.#base, this.#manifest, this.#small.workers);
  }

  async #settle(): Promise<void> {
    await Promise.allSettled([...this.#writing.values(), ...this.#reading]);
  }

  async #write(chunk: number, data: VerifiedChunk, isReadSoon: boolean): Promise<void> {
    if (this.#isEnded) throw hasEnded();
    const { bytes, digest } = data;
    if (!digestEquals(digest, this.#manifest.chunkDigest(chunk)))
      throw new ShoalError('ERR_CHUNK_HASH_MISMATCH', `what was to be written is not chunk ${chunk}`);
    if (bytes.byteLength !== this.#manifest.chunkSize(chunk)) {
      throw new ShoalError(
        'ERR_ASSET_INVALID',
        `the asset announces chunk ${chunk} with ${this.#manifest.chunkSize(chunk)} bytes and it has ${bytes.byteLength}; its publisher must share it again`,
        { fault: 'none' },
      );
    }
    const [first, ...others] = this.#manifest.places(chunk) as [ChunkPlace, ...ChunkPlace[]];
    const isEmpty = isZeros(bytes);
    const write = ({ file, offset }: ChunkPlace): Promise<void> =>
      this.#writePlace(file, offset, bytes, isEmpty);
    if (isReadSoon) this.#seals.keep(data);
    this.#isSealed = false;
    await write(first);
    // What is to be read takes memory.
    if (others.length > 0) await forEachBounded(others, isEmpty ? PARALLEL_WRITES : PARALLEL_SMALL, write);
    await this.#bitmap.mark(chunk);
    this.#add(chunk);
    this.#onBytesHere(this.#bytesHere);
  }

  /** @param isEmpty whether the bytes are zeros. These are not written where they lie already: files that are sparse stay so */
  async #writePlace(file: number, offset: number, bytes: Uint8Array, isEmpty: boolean): Promise<void> {
    const path = this.#pathOf(file);
    if (isSmallOfMany(this.#manifest, file)) {
      const write = (): Promise<SmallWrite> => this.#small.write(this.#base, path, offset, bytes);
      const { before, after } = await withFsErrors('write', path, write).catch((error: unknown) => {
        throw isErrno(error, NOT_A_FILE) ? tampered(path, error) : error;
      });
      this.#own.wrote(file, before, after);
      return;
    }
    const writeTo = async (handle: FileHandle): Promise<void> => {
      if (isEmpty) {
        const there = await readFilePart(handle, offset, bytes.byteLength).catch(() => undefined);
        if (there?.byteLength === bytes.byteLength && isZeros(there)) return;
      }
      await writeFilePart(handle, offset, bytes);
    };
    await this.#pool.use(this, path, 'write', (handle) =>
      this.#own.run(
        file,
        () => lookAt(handle),
        () => withFsErrors('write', path, () => writeTo(handle)),
      ),
    );
  }

  /** Whether the chunk lies in a small file, first of all. */
  #isSmall(chunk: number): boolean {
    return isSmallOfMany(this.#manifest, (this.#manifest.places(chunk, 1)[0] as ChunkPlace).file);
  }

  #allChunks(): number[] {
    return Array.from({ length: this.#manifest.chunkCount }, (_, chunk) => chunk);
  }

  async #forEachChunk(
    chunks: number[],
    task: (chunk: number) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const small = chunks.filter((chunk) => this.#isSmall(chunk));
    const others = small.length > 0 ? chunks.filter((chunk) => !this.#isSmall(chunk)) : chunks;
    await forEachBounded(small, PARALLEL_SMALL, task, signal);
    await forEachBounded(others, PARALLEL_READS, task, signal);
  }

  async #isIntact(chunk: number): Promise<boolean> {
    for (const { file, offset } of this.#manifest.places(chunk)) {
      if (!(await this.#readPlace(chunk, file, offset))) return false;
    }
    return true;
  }

  async #readPlace(chunk: number, file: number, offset: number): Promise<VerifiedChunk | undefined> {
    const path = this.#pathOf(file);
    const size = this.#manifest.chunkSize(chunk);
    const bytes = isSmallOfMany(this.#manifest, file)
      ? await this.#readSmall(file, path, offset, size)
      : await this.#pool.use(this, path, 'write', (handle) =>
          withFsErrors('read', path, async () => {
            await this.#own.noteFirst(file, () => lookAt(handle));
            return readFilePart(handle, offset, size);
          }),
        );
    return bytes && this.#seals.verify(this.#manifest.chunkDigest(chunk), bytes);
  }

  /** @returns undefined where something else lies in the file's place */
  async #readSmall(
    file: number,
    path: string,
    offset: number,
    size: number,
  ): Promise<Uint8Array | undefined> {
    try {
      const { bytes, stamp } = await withFsErrors('read', path, () => this.#small.read(path, offset, size));
      await this.#own.noteFirst(file, () => stamp);
      return bytes;
    } catch (error) {
      if (isErrno(error, NOT_A_FILE)) return undefined;
      throw error;
    }
  }

  /** Files that somebody else has written to, or that have another size, get theirs, and are hashed. @param stamps what they are */
  async #checkSuspects(stamps: FileStamps): Promise<void> {
    const suspects = new Set<number>();
    for (const [file, entry] of this.#manifest.entries.entries()) {
      if (entry.type !== 'file') continue;
      const isOther = hasOtherSize(file, entry, stamps);
      if (!isOther && !this.#own.isSuspect(file, stamps)) continue;
      suspects.add(file);
      if (isOther) stamps.set(file, await this.#resize(file, entry.size));
      this.#own.settle(file, stamps.get(file));
    }
    if (suspects.size === 0) return;
    let damaged = 0;
    const checkOne = async (chunk: number): Promise<void> => {
      for (const { file, offset } of this.#manifest.places(chunk)) {
        if (!suspects.has(file) || (await this.#readPlace(chunk, file, offset))) continue;
        damaged += this.#manifest.chunkSize(chunk);
        return this.#forget(chunk);
      }
    };
    await this.#forEachChunk(this.#allChunks(), checkOne, undefined);
    if (damaged === 0) return;
    throw new ShoalError(
      'ERR_FILE_CHANGED',
      `something changed the unfinished download ${this.#base}; ${damaged} bytes of it are fetched again`,
    );
  }

  async #resize(file: number, size: number): Promise<FileStamp> {
    const path = this.#pathOf(file);
    return this.#pool.use(this, path, 'write', (handle) =>
      withFsErrors('write', path, async () => {
        await handle.truncate(size);
        await handle.sync();
        return stampOf(await lookAt(handle));
      }),
    );
  }

  #pathOf(file: number): string {
    const entry = this.#manifest.entries[file];
    return entry ? entryPath(this.#base, entry) : this.#base;
  }

  async #forget(chunk: number): Promise<void> {
    this.#drop(chunk);
    await this.#bitmap.unmark(chunk);
  }

  #drop(chunk: number): void {
    if (this.#have.clear(chunk)) this.#bytesHere -= this.#manifest.chunkSize(chunk);
  }

  #add(chunk: number): void {
    if (this.#have.set(chunk)) this.#bytesHere += this.#manifest.chunkSize(chunk);
  }
}

function hasEnded(): ShoalError {
  return new ShoalError('ERR_CLOSED', 'the download has been closed', { fault: 'none' });
}

function hasOtherSize(file: number, entry: ManifestFile, stamps: FileStamps): boolean {
  return stamps.get(file).size !== BigInt(entry.size);
}

function numbersIn(bits: Bitfield): number[] {
  const numbers: number[] = [];
  for (let n = 0; n < bits.size; n++) if (bits.has(n)) numbers.push(n);
  return numbers;
}

/** Each byte is compared with the next one, by what the C library has for it. */
function isZeros(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0;
}
