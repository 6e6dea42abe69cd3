import type { FileHandle } from 'node:fs/promises';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import { NOT_A_FILE } from './file-jobs.ts';
import type { FileStamps } from './file-stamps.ts';
import { fsError, isErrno, withFsErrors } from './fs-error.ts';
import type { HandlePool } from './handle-pool.ts';
import { lookAt } from './look-at.ts';
import { readFilePart } from './read-file-part.ts';
import type { Seals } from './seals.ts';
import { isSmallOfMany, type SmallFiles } from './small-files.ts';
import { entryPath } from './tree-layout.ts';

/** Where else to look for a recurring chunk when its first place is gone. Beyond a few it is the asset that is gone. */
const MAX_PLACES_TRIED = 8;

/** What a {@link PlacedContent} is made from. */
export interface PlacedContentInit {
  manifest: Manifest;
  /** Absolute path of the file or folder. */
  base: string;
  stamps: FileStamps;
  kind: 'shared' | 'complete';
  /** Whether it lies at a person's path, not in the data folder. */
  isOutside: boolean;
  pool: HandlePool;
  small: SmallFiles;
  seals: Seals;
}

/** Complete content that is served where it lies, and never modified. */
export class PlacedContent {
  readonly state: 'shared' | 'complete';
  readonly path: string | undefined;
  readonly #manifest: Manifest;
  readonly #base: string;
  readonly #stamps: FileStamps;
  readonly #pool: HandlePool;
  readonly #small: SmallFiles;
  readonly #seals: Seals;

  constructor(init: PlacedContentInit) {
    this.state = init.kind;
    this.path = init.isOutside ? init.base : undefined;
    this.#manifest = init.manifest;
    this.#base = init.base;
    this.#stamps = init.stamps;
    this.#pool = init.pool;
    this.#small = init.small;
    this.#seals = init.seals;
  }

  have(): Bitfield {
    return Bitfield.full(this.#manifest.chunkCount);
  }

  /** Compares size and modification time of every file. @throws ERR_FILE_CHANGED naming the first that differs */
  async check(signal?: AbortSignal): Promise<void> {
    const changed = await this.#stamps.findChanged(this.#base, this.#manifest, this.#small.workers, signal);
    if (changed !== undefined) throw this.#changed(changed);
  }

  /** @throws ERR_FILE_CHANGED naming the file */
  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    let failure: unknown;
    for (const { file, offset } of this.#manifest.places(chunk, MAX_PLACES_TRIED)) {
      signal?.throwIfAborted();
      try {
        return await this.#readPlace(chunk, file, offset);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  async close(): Promise<void> {
    await this.#pool.release(this);
  }

  async #readPlace(chunk: number, file: number, offset: number): Promise<VerifiedChunk> {
    const entry = this.#manifest.entries[file];
    const path = entry ? entryPath(this.#base, entry) : this.#base;
    const size = this.#manifest.chunkSize(chunk);
    const reading = isSmallOfMany(this.#manifest, file)
      ? this.#readSmall(file, path, offset, size)
      : this.#readPart(file, path, offset, size);
    const bytes = await reading.catch((error: unknown) => {
      throw isSomethingElse(error) ? this.#changed(path) : error;
    });
    // Hash or seal alone make sure that no wrong byte leaves; the stamp names the change before a chunk shows it.
    const verified = bytes && (await this.#seals.verify(this.#manifest.chunkDigest(chunk), bytes));
    if (!verified) throw this.#changed(path);
    return verified;
  }

  /** @returns undefined where the file is not what it was */
  #readPart(file: number, path: string, offset: number, size: number): Promise<Uint8Array | undefined> {
    const read = async (handle: FileHandle): Promise<Uint8Array | undefined> => {
      const [stats, bytes] = await Promise.all([lookAt(handle), readFilePart(handle, offset, size)]);
      return this.#stamps.matches(file, stats) ? bytes : undefined;
    };
    return this.#pool.use(this, path, 'read', (handle) => withFsErrors('read', path, () => read(handle)));
  }

  async #readSmall(
    file: number,
    path: string,
    offset: number,
    size: number,
  ): Promise<Uint8Array | undefined> {
    try {
      const { bytes, stamp } = await this.#small.read(path, offset, size);
      return this.#stamps.equals(file, stamp) ? bytes : undefined;
    } catch (error) {
      throw fsError(error, 'open', path);
    }
  }

  #changed(path: string): ShoalError {
    return fileChanged(path, this.state);
  }
}

/** ERR_FILE_CHANGED of a file of an asset that was shared here or downloaded. */
export function fileChanged(path: string, kind: 'shared' | 'complete'): ShoalError {
  const advice =
    kind === 'shared'
      ? 'share it again to publish what it is now'
      : 'get it again to have it whole, or remove it from the data folder';
  const was = kind === 'shared' ? 'shared' : 'downloaded';
  return new ShoalError('ERR_FILE_CHANGED', `${path} is no longer what was ${was}; ${advice}`);
}

/** Whether opening failed because no file is there any more: nothing, a link, a folder, or a pipe. */
export function isSomethingElse(error: unknown): boolean {
  if (isErrno(error, NOT_A_FILE)) return true;
  if (!(error instanceof ShoalError)) return false;
  const { code, cause } = error;
  return code === 'ERR_NOT_FOUND' || isErrno(cause, 'ELOOP', 'EMLINK', 'EISDIR', 'ENXIO');
}
