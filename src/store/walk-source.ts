import { constants } from 'node:fs';
import { lstat, open, opendir, type FileHandle } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import type { Leaf } from '../chunking/hash-leaves.ts';
import type { SourceEntry, SourceFile } from '../chunking/import-tree.ts';
import { ShoalError } from '../errors.ts';
import type { DataFolder } from './data-folder.ts';
import {
  CHANGED,
  checkPlace,
  NOT_TEXT,
  placeOf,
  readLinkText,
  stampAt,
  type FileFailure,
  type FileJobResults,
} from './file-jobs.ts';
import { stampOf, type FileStamp } from './file-stamps.ts';
import { errorOf, type FileWorkers } from './file-workers.ts';
import { fsError, isErrno, withFsErrors } from './fs-error.ts';
import type { Seals } from './seals.ts';
import { MANY_FILES, SMALL_FILE_BYTES } from './small-files.ts';

/** A larger read costs less for each byte; beyond a MiB nothing is gained. It also is the largest chunk. */
const READ_BYTES = 1024 * 1024;

/** Names of a folder that are looked at in one job. */
const NAMES_PER_JOB = 256;

/** From here on a file is hashed on all threads: hashing it takes some 150 ms, and starting them 30 to 60. */
const LARGE_FILE_BYTES = 256 * 1024 * 1024;

/** What one job hashes: a few milliseconds, so that no thread ends long before the others. */
const PART_BYTES = 8 * 1024 * 1024;

/** The same of a file that has many: each costs some 0.1 ms. */
const LARGE_PART_BYTES = 4 * PART_BYTES;

/** Parts from which on they are large: the threads end less than a part apart. */
const MANY_PARTS = 256;

const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Files and folders on disk as the importer takes them, with the stamps that the files had when they were read. */
export class SourceWalk {
  readonly #folder: Pick<DataFolder, 'isThisFolder'>;
  readonly #base: string;
  readonly #workers: FileWorkers;
  /** Files up to this size are one leaf, and hashed when they are looked at. */
  readonly #smallBytes: number;
  readonly #seals: Seals | undefined;
  readonly #stamps = new Map<string, FileStamp>();
  /** Where the base is, whatever links lead to it; undefined: the system does not tell. */
  #place: string | undefined;

  /**
   * @param folder the data folder, which is never read as content
   * @param base absolute path of what is shared
   * @param chunkSize as it is imported with
   * @param seals for what will be read again
   */
  constructor(
    folder: Pick<DataFolder, 'isThisFolder'>,
    base: string,
    workers: FileWorkers,
    chunkSize: number | undefined,
    seals?: Seals,
  ) {
    this.#folder = folder;
    this.#base = base;
    this.#workers = workers;
    this.#seals = seals;
    this.#smallBytes = Math.min(SMALL_FILE_BYTES, chunkSize ?? SMALL_FILE_BYTES);
  }

  /** @throws ERR_NOT_FOUND, ERR_ACCESS, ERR_UNSUPPORTED_FILE, ERR_DATA_DIR_SHARED */
  async root(): Promise<SourceEntry> {
    const entry = await this.#entry(this.#base);
    if (entry.type !== 'symlink') await this.#findPlace();
    return entry;
  }

  /** The stamp of the file with that path below the base, once it has been imported. */
  stamp(path: readonly string[]): FileStamp | undefined {
    return this.#stamps.get(path.join('/'));
  }

  async #findPlace(): Promise<void> {
    const handle = await withFsErrors('read', this.#base, () => open(this.#base, READ_FLAGS));
    this.#place = placeOf(handle.fd);
    await handle.close();
  }

  /** Where something below the base is to be. */
  #placeOf(path: string): string | undefined {
    return this.#place === undefined ? undefined : join(this.#place, relative(this.#base, path));
  }

  async #entry(path: string): Promise<SourceEntry> {
    const name = basename(path);
    try {
      const stats = await lstat(path, { bigint: true });
      if (stats.isFile()) return this.#file(path, name, stats);
      if (stats.isSymbolicLink()) return { type: 'symlink', name, target: readLinkText(path) };
      if (!stats.isDirectory()) throw unsupported(path);
      return this.#directory(path, name, stats);
    } catch (error) {
      throw readError(error, path);
    }
  }

  #directory(path: string, name: string, identity: { dev: bigint; ino: bigint }): SourceEntry {
    if (this.#folder.isThisFolder(identity)) {
      throw new ShoalError(
        'ERR_DATA_DIR_SHARED',
        `${path} is Shoal's data folder, which holds this node's private key; share something that does not contain it`,
      );
    }
    return { type: 'directory', name, children: () => this.#children(path) };
  }

  async *#children(path: string): AsyncGenerator<SourceEntry> {
    const folder = await withFsErrors('read', path, () => opendir(path, { bufferSize: 256 }));
    let names: string[] = [];
    // Parts that are looked at meanwhile: one for each thread.
    const ahead: Promise<SourceEntry[]>[] = [];
    const look = (): void => {
      const looking = this.#lookAt(path, names);
      looking.catch(() => {});
      ahead.push(looking);
      names = [];
    };
    for await (const { name } of folder) {
      names.push(name);
      if (names.length < NAMES_PER_JOB) continue;
      look();
      if (ahead.length > this.#workers.parallel) yield* await (ahead.shift() as Promise<SourceEntry[]>);
    }
    if (ahead.length === 0 && names.length < MANY_FILES) {
      for (const name of names) yield await this.#entry(join(path, name));
      return;
    }
    if (names.length > 0) look();
    for (const looking of ahead) yield* await looking;
  }

  /** Entries of a folder, all in one job: small files are read in the same go. */
  async #lookAt(folder: string, names: readonly string[]): Promise<SourceEntry[]> {
    const place = this.#placeOf(folder);
    const maxBytes = this.#smallBytes;
    const found = await this.#workers.run({ kind: 'import', folder, place, names, maxBytes });
    const [failure] = found.failures;
    if (failure) throw readFailure(failure, join(folder, names[failure.at] as string));
    return names.map((name, i) => {
      const path = join(folder, name);
      switch (found.types[i]) {
        case 'file': {
          const stamp = stampAt(found.stamps, i);
          if (found.isHashed[i] !== 1) return this.#file(path, name, stamp);
          this.#note(path, stamp);
          const digest = found.digests.slice(i * 32, i * 32 + 32);
          return { ...this.#file(path, name, stamp), digest };
        }
        case 'symlink':
          return { type: 'symlink', name, target: found.targets.get(i) as string };
        case 'directory':
          return this.#directory(path, name, found.folders.get(i) as { dev: bigint; ino: bigint });
        default:
          throw unsupported(path);
      }
    });
  }

  #file(path: string, name: string, found: FileStamp): SourceFile {
    const size = Number(found.size);
    const leaves = (chunkSize: number): AsyncIterable<Leaf[]> => this.#hash(path, found, chunkSize);
    const isLarge = size >= LARGE_FILE_BYTES;
    return {
      type: 'file',
      name,
      size,
      open: () => this.#read(path, found),
      ...(isLarge ? { leaves } : {}),
    };
  }

  /** The leaves of a large file, hashed part by part on all threads. */
  async *#hash(path: string, stamp: FileStamp, chunkSize: number): AsyncGenerator<Leaf[]> {
    const size = Number(stamp.size);
    const partBytes = size < MANY_PARTS * PART_BYTES ? PART_BYTES : LARGE_PART_BYTES;
    const ahead: Promise<FileJobResults['hash']>[] = [];
    let from = 0;
    const start = (): void => {
      const to = Math.min(size, from + partBytes);
      const file = { path, place: this.#placeOf(path), stamp: stampOf(stamp) };
      const hashing = this.#workers.run({
        kind: 'hash',
        ...file,
        from,
        to,
        chunkSize,
        sealKey: this.#seals?.key,
      });
      hashing.catch(() => {});
      ahead.push(hashing);
      from = to;
    };
    for (let at = 0; at < size; at += partBytes) {
      // One more than there are threads, so that none waits for the next.
      while (from < size && ahead.length <= this.#workers.parallel) start();
      const { failures, digests, seals } = await (ahead.shift() as Promise<FileJobResults['hash']>);
      const [failure] = failures;
      if (failure) throw readFailure(failure, path);
      const leaves: Leaf[] = [];
      for (let n = 0; n * 32 < digests.byteLength; n++) {
        const leafSize = Math.min(chunkSize, size - at - n * chunkSize);
        const digest = digests.subarray(n * 32, n * 32 + 32);
        const seal = seals.get(n);
        if (seal !== undefined) this.#seals?.note(digest, seal);
        leaves.push({ digest, size: leafSize });
      }
      yield leaves;
    }
    this.#note(path, stamp);
  }

  #note(path: string, stamp: FileStamp): void {
    this.#stamps.set(relative(this.#base, path).split(sep).join('/'), stampOf(stamp));
  }

  /** The content, checked afterwards for being what it was when its size was taken, before it was opened. */
  async *#read(path: string, found: FileStamp): AsyncGenerator<Uint8Array> {
    const handle = await withFsErrors('read', path, () => open(path, READ_FLAGS));
    try {
      this.#checkPlace(path, handle);
      yield* pieces(path, handle, Number(found.size));
      await this.#checkUnchanged(path, handle, found);
      this.#note(path, found);
    } finally {
      await handle.close();
    }
  }

  #checkPlace(path: string, handle: FileHandle): void {
    try {
      checkPlace(handle.fd, this.#placeOf(path));
    } catch {
      throw fileChanged(path);
    }
  }

  async #checkUnchanged(path: string, handle: FileHandle, found: FileStamp): Promise<void> {
    const now = await withFsErrors('read', path, () => handle.stat({ bigint: true }));
    if (now.isFile() && now.size === found.size && now.mtimeNs === found.mtimeNs) return;
    throw fileChanged(path);
  }
}

function readFailure(failure: FileFailure, path: string): unknown {
  return failure.code === CHANGED ? fileChanged(path) : readError(errorOf(failure), path);
}

/** What it means that something could not be looked at. */
function readError(error: unknown, path: string): unknown {
  if (isErrno(error, NOT_TEXT)) return notUtf8(path, 'leads to');
  // What is not UTF-8 is given with this character in its place, and then found by no call.
  if (isErrno(error, 'ENOENT') && basename(path).includes('\uFFFD')) return notUtf8(path, 'has');
  return fsError(error, 'read', path);
}

function notUtf8(path: string, verb: string): ShoalError {
  return new ShoalError(
    'ERR_UNSAFE_NAME',
    `${path} ${verb} a name that is not UTF-8, which not every system can store; rename it, or leave it out`,
  );
}

function fileChanged(path: string): ShoalError {
  return new ShoalError(
    'ERR_FILE_CHANGED',
    `${path} changed while it was being shared; share it again when nothing writes to it`,
  );
}

function unsupported(path: string): ShoalError {
  return new ShoalError(
    'ERR_UNSUPPORTED_FILE',
    `${path} is neither a file, a folder nor a symbolic link, and cannot be shared; leave it out`,
  );
}

/** The file in pieces, the next one being read while the last one is hashed. Two buffers take turns. */
async function* pieces(path: string, handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  const length = Math.min(READ_BYTES, size);
  let spare = Buffer.allocUnsafeSlow(length);
  let filled = Buffer.allocUnsafeSlow(length);
  const read = (at: number): Promise<number> => {
    const reading = readPiece(path, handle, filled, at);
    // It may fail while nobody waits for it yet.
    reading.catch(() => {});
    return reading;
  };
  let next = read(0);
  try {
    for (let at = 0; at < size;) {
      const bytesRead = await next;
      if (bytesRead === 0) return;
      at += bytesRead;
      [spare, filled] = [filled, spare];
      if (at < size) next = read(at);
      yield spare.subarray(0, bytesRead);
    }
  } finally {
    // The handle is closed after this: nothing may still be reading.
    await next.catch(() => {});
  }
}

async function readPiece(path: string, handle: FileHandle, into: Buffer, at: number): Promise<number> {
  let bytes = 0;
  await withFsErrors('read', path, async () => {
    while (bytes < into.byteLength) {
      const { bytesRead } = await handle.read(into, bytes, into.byteLength - bytes, at + bytes);
      if (bytesRead === 0) return;
      bytes += bytesRead;
    }
  });
  return bytes;
}
