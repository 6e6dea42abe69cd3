import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Manifest } from '../integrity/manifest.ts';
import { forEachBounded } from './bounded.ts';
import { NOT_A_FILE, stampAt, type Stamp } from './file-jobs.ts';
import { errorOf, type FileWorkers } from './file-workers.ts';
import { fsError, isErrno, withFsErrors } from './fs-error.ts';
import { forEachPart, MANY_FILES } from './small-files.ts';
import { entryPath } from './tree-layout.ts';

/** What tells whether a file is still the one it was: size in bytes, and modification time in nanoseconds. */
export type FileStamp = Stamp;

/** Files looked at side by side. */
const PARALLEL_STATS = 16;

/** @param stats of Node, or a stamp */
export function stampOf(stats: FileStamp): FileStamp {
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

  get(entry: number): FileStamp {
    return { size: this.#values[entry * 2] as bigint, mtimeNs: this.#values[entry * 2 + 1] as bigint };
  }

  /** Takes over the stamps of another array of as many entries: for whoever holds this one, too. */
  replace(by: FileStamps): void {
    this.#values.set(by.#values);
  }

  matches(entry: number, stats: BigIntStats): boolean {
    return stats.isFile() && this.equals(entry, stats);
  }

  /** Whether a file, which it is known to be, is what it was. */
  equals(entry: number, { size, mtimeNs }: FileStamp): boolean {
    return this.#values[entry * 2] === size && this.#values[entry * 2 + 1] === mtimeNs;
  }

  /**
   * Looks at every file below `base`.
   *
   * @returns the path of the first one found that is gone or not what it was
   */
  async findChanged(
    base: string,
    manifest: Manifest,
    workers: FileWorkers,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    if (manifest.entries.length >= MANY_FILES)
      return this.#findChangedOfMany(base, manifest, workers, signal);
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

  async #findChangedOfMany(
    base: string,
    manifest: Manifest,
    workers: FileWorkers,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    let changed: string | undefined;
    const files = [...manifest.entries.entries()].filter(([, { type }]) => type === 'file');
    const look = async (part: typeof files): Promise<void> => {
      if (changed !== undefined) return;
      const paths = part.map(([, entry]) => entryPath(base, entry));
      const { failures, stamps } = await workers.run({ kind: 'stat', paths });
      for (const failure of failures) {
        const path = paths[failure.at] as string;
        const isGone = ['ENOENT', 'ENOTDIR', NOT_A_FILE].includes(failure.code);
        if (!isGone) throw fsError(errorOf(failure), 'look at', path);
      }
      const isChanged = ([index]: [number, unknown], i: number): boolean =>
        !this.equals(index, stampAt(stamps, i));
      changed ??= paths[failures[0]?.at ?? part.findIndex(isChanged)];
    };
    await forEachPart(files, workers, (part) => look([...part]), signal);
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
