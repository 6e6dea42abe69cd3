import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { lstat, open, opendir, readlink, type FileHandle } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import type { SourceEntry, SourceFile } from '../chunking/import-tree.ts';
import { ShoalError } from '../errors.ts';
import type { DataFolder } from './data-folder.ts';
import { stampOf, type FileStamp } from './file-stamps.ts';
import { withFsErrors } from './fs-error.ts';

/** A larger read costs less for each byte; beyond a MiB nothing is gained. It also is the largest chunk. */
const READ_BYTES = 1024 * 1024;

const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Files and folders on disk as the importer takes them, with the stamps that the files had when they were read. */
export class SourceWalk {
  readonly #folder: Pick<DataFolder, 'isThisFolder'>;
  readonly #base: string;
  readonly #stamps = new Map<string, FileStamp>();

  /**
   * @param folder the data folder, which is never read as content
   * @param base absolute path of what is shared
   */
  constructor(folder: Pick<DataFolder, 'isThisFolder'>, base: string) {
    this.#folder = folder;
    this.#base = base;
  }

  /** @throws ERR_NOT_FOUND, ERR_ACCESS, ERR_UNSUPPORTED_FILE, ERR_DATA_DIR_SHARED */
  async root(): Promise<SourceEntry> {
    return this.#entry(this.#base);
  }

  /** The stamp of the file with that path below the base, once it has been imported. */
  stamp(path: readonly string[]): FileStamp | undefined {
    return this.#stamps.get(path.join('/'));
  }

  async #entry(path: string): Promise<SourceEntry> {
    const name = basename(path);
    const stats = await withFsErrors('read', path, () => lstat(path, { bigint: true }));
    if (stats.isFile()) return this.#file(path, name, stats);
    if (stats.isSymbolicLink())
      return { type: 'symlink', name, target: await withFsErrors('read', path, () => readlink(path)) };
    if (!stats.isDirectory()) {
      throw new ShoalError(
        'ERR_UNSUPPORTED_FILE',
        `${path} is neither a file, a folder nor a symbolic link, and cannot be shared; leave it out`,
      );
    }
    if (this.#folder.isThisFolder(stats)) {
      throw new ShoalError(
        'ERR_DATA_DIR_SHARED',
        `${path} is Shoal's data folder, which holds this node's private key; share something that does not contain it`,
      );
    }
    return { type: 'directory', name, children: () => this.#children(path) };
  }

  async *#children(path: string): AsyncGenerator<SourceEntry> {
    const folder = await withFsErrors('read', path, () => opendir(path, { bufferSize: 256 }));
    for await (const { name } of folder) yield await this.#entry(join(path, name));
  }

  #file(path: string, name: string, found: BigIntStats): SourceFile {
    return { type: 'file', name, size: Number(found.size), open: () => this.#read(path, found) };
  }

  /** The content, checked afterwards for being what it was when its size was taken, before it was opened. */
  async *#read(path: string, found: BigIntStats): AsyncGenerator<Uint8Array> {
    const handle = await withFsErrors('read', path, () => open(path, READ_FLAGS));
    try {
      yield* pieces(path, handle, Number(found.size));
      await this.#checkUnchanged(path, handle, found);
      this.#stamps.set(relative(this.#base, path).split(sep).join('/'), stampOf(found));
    } finally {
      await handle.close();
    }
  }

  async #checkUnchanged(path: string, handle: FileHandle, found: BigIntStats): Promise<void> {
    const now = await handle.stat({ bigint: true });
    if (now.isFile() && now.size === found.size && now.mtimeNs === found.mtimeNs) return;
    throw new ShoalError(
      'ERR_FILE_CHANGED',
      `${path} changed while it was being shared; share it again when nothing writes to it`,
    );
  }
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
