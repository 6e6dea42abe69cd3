import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Manifest } from '../integrity/manifest.ts';
import { forEachBounded } from './bounded.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import { entryPath } from './tree-layout.ts';

/** What tells whether a file is still the one it was: size in bytes, and modification time in nanoseconds. */
export interface FileStamp {
  size: bigint;
  mtimeNs: bigint;
}

/** Files looked at side by side. */
const PARALLEL_STATS = 16;

export function stampOf(stats: BigIntStats): FileStamp {
  return { size: stats.size, mtimeNs: stats.mtimeNs };
}

/** The stamps of all files of an asset in one array, two numbers for each manifest entry. */
export class FileStamps {
  readonly #values: BigInt64Array;

  constructor(entries: number, values = new BigInt64Array(entries * 2)) {
    this.#values = values;
  }

  /** @returns undefined where the bytes are not stamps of so many entries */
  static decode(entries: number, bytes: Uint8Array): FileStamps | undefined {
    if (bytes.byteLength !== entries * 16) return undefined;
    return new FileStamps(entries, new BigInt64Array(bytes.slice().buffer));
  }

  encode(): Uint8Array {
    return new Uint8Array(this.#values.buffer);
  }

  set(entry: number, stamp: FileStamp): void {
    this.#values[entry * 2] = stamp.size;
    this.#values[entry * 2 + 1] = stamp.mtimeNs;
  }

  /** Takes over the stamps of another array of as many entries: for whoever holds this one, too. */
  replace(by: FileStamps): void {
    this.#values.set(by.#values);
  }

  matches(entry: number, stats: BigIntStats): boolean {
    return (
      stats.isFile() &&
      this.#values[entry * 2] === stats.size &&
      this.#values[entry * 2 + 1] === stats.mtimeNs
    );
  }

  /**
   * Looks at every file below `base`.
   *
   * @returns the path of the first one found that is gone or not what it was
   */
  async findChanged(base: string, manifest: Manifest, signal?: AbortSignal): Promise<string | undefined> {
    let changed: string | undefined;
    await forEachBounded(
      manifest.entries.entries(),
      PARALLEL_STATS,
      async ([index, entry]) => {
        if (changed !== undefined || entry.type !== 'file') return;
        const path = entryPath(base, entry);
        const stats = await lstatOrUndefined(path);
        if (!stats || !this.matches(index, stats)) changed = path;
      },
      signal,
    );
    return changed;
  }
}

/** @returns undefined where there is nothing. @throws ERR_ACCESS, ERR_IO */
export async function lstatOrUndefined(path: string): Promise<BigIntStats | undefined> {
  return withFsErrors('look at', path, async () => {
    try {
      return await lstat(path, { bigint: true });
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  });
}
