import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Bitfield } from '../swarm/core/bitfield.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import { readFilePart, writeFilePart } from './read-file-part.ts';

/** Bytes of the bitmap written at once: a sector, so that a write touches what the disk would write anyway. */
const PAGE_BYTES = 512;

/**
 * Which chunks a partial holds, in a file of one bit a chunk, as a `Bitfield` has them. Call {@link mark} only when
 * the chunk's bytes have been written: then no bit is ever set on disk without its bytes, whenever the process is
 * killed. Marks that come while one is being written are written together.
 *
 * Nothing in the file is trusted: what it claims is hashed again when a partial is opened.
 */
export class BitmapFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #bits: Bitfield;
  readonly #dirtyPages = new Set<number>();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  private constructor(path: string, handle: FileHandle, bits: Bitfield) {
    this.#path = path;
    this.#handle = handle;
    this.#bits = bits;
  }

  /** Opens the bitmap of `size` chunks, making it where there is none. A file of another length counts as far as it goes. */
  static async open(path: string, size: number): Promise<BitmapFile> {
    return withFsErrors('use', path, async () => {
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        const bits = claimsOf(await readFilePart(handle, 0, Math.ceil(size / 8)), size);
        // Written, not only made longer: from here on a mark needs no room on the disk.
        await writeFilePart(handle, 0, bits.bytes);
        await handle.truncate(bits.bytes.byteLength);
        return new BitmapFile(path, handle, bits);
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  /** What the file claims. A copy. */
  claims(): Bitfield {
    return this.#bits.clone();
  }

  /** Resolves when the bit is in the file. */
  async mark(chunk: number): Promise<void> {
    this.#bits.set(chunk);
    await this.#write(chunk);
  }

  async unmark(chunk: number): Promise<void> {
    if (this.#bits.clear(chunk)) await this.#write(chunk);
  }

  /** Clears all bits. */
  async reset(): Promise<void> {
    for (let chunk = 0; chunk < this.#bits.size; chunk += 8 * PAGE_BYTES) this.#dirtyPages.add(pageOf(chunk));
    for (let chunk = 0; chunk < this.#bits.size; chunk++) this.#bits.clear(chunk);
    await this.#flush();
  }

  /** Brings the file to the disk. */
  async sync(): Promise<void> {
    await withFsErrors('write', this.#path, () => this.#handle.sync());
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#running, this.#next]);
    await this.#handle.close();
  }

  #write(chunk: number): Promise<void> {
    this.#dirtyPages.add(pageOf(chunk));
    return this.#flush();
  }

  /** All who call while a write runs share the next one. */
  #flush(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      const writing = this.#writeDirty();
      this.#running = writing.catch(() => {});
      this.#next = undefined;
      return writing;
    });
    return this.#next;
  }

  /** Where it fails, all who wait for it are told, and mark anew what they write anew. */
  async #writeDirty(): Promise<void> {
    const pages = [...this.#dirtyPages];
    this.#dirtyPages.clear();
    await withFsErrors('write', this.#path, async () => {
      for (const page of pages) {
        const start = page * PAGE_BYTES;
        await writeFilePart(this.#handle, start, this.#bits.bytes.slice(start, start + PAGE_BYTES));
      }
    });
  }
}

/**
 * How many chunks the bitmap at `path` claims, of `size`; none where there is no such file. Cheap, and believed without
 * hashing: for lists only.
 */
export async function countClaims(path: string, size: number): Promise<number> {
  return withFsErrors('read', path, async () => {
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 0;
      throw error;
    }
    try {
      return claimsOf(await readFilePart(handle, 0, Math.ceil(size / 8)), size).count;
    } finally {
      await handle.close();
    }
  });
}

/** The bits that a file of whatever length stands for. */
function claimsOf(found: Uint8Array, size: number): Bitfield {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  bytes.set(found);
  const spare = bytes.byteLength * 8 - size;
  if (spare > 0) bytes[bytes.byteLength - 1] = (bytes.at(-1) as number) & (0xff << spare);
  return new Bitfield(size, bytes);
}

function pageOf(chunk: number): number {
  return Math.floor(chunk / (8 * PAGE_BYTES));
}
