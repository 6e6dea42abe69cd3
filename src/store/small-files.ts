import type { Manifest } from '../integrity/manifest.ts';
import { forEachBounded } from './bounded.ts';
import { stampAt, type FileFailure, type Stamp } from './file-jobs.ts';
import { errorOf, type FileWorkers } from './file-workers.ts';
import { noteShortLived } from './short-lived-memory.ts';

/**
 * Files up to this size are worked on many at a time: for these it is opening them that costs. It is the smallest chunk
 * that is chosen unasked, so that such a file is one chunk.
 */
export const SMALL_FILE_BYTES = 64 * 1024;

/** From so many entries on an asset's small files are worked on many at a time. */
export const MANY_FILES = 64;

/** Whether a file of an asset is worked on by {@link SmallFiles}. */
export function isSmallOfMany({ entries }: Manifest, file: number): boolean {
  if (entries.length < MANY_FILES) return false;
  const entry = entries[file];
  return entry?.type === 'file' && entry.size <= SMALL_FILE_BYTES;
}

/** Items of one job: enough to make a message between threads cheap, few enough that nothing waits long behind them. */
const BATCH_ITEMS = 128;

/** Bytes of one job. */
const BATCH_BYTES = 1 << 20;

interface Part {
  /** Of the tree that the file is in, where it is written to. */
  base: string;
  path: string;
  offset: number;
  size: number;
}

interface Item<T> extends Part {
  bytes: Uint8Array | undefined;
  resolve: (result: T) => void;
  reject: (error: unknown) => void;
}

/** What was read of a file. */
export interface SmallRead {
  /** As many bytes as were asked for; zeros where the file is shorter. */
  bytes: Uint8Array;
  stamp: Stamp;
}

/** What a file was before it was written to, and what it is then. */
export interface SmallWrite {
  before: Stamp;
  after: Stamp;
}

/**
 * Reads and writes small files, all those that are asked for in one turn of the event loop together, by jobs for
 * {@link FileWorkers}. A file is opened for each: open ones would not be used again.
 */
export class SmallFiles {
  readonly workers: FileWorkers;
  readonly #reads = new Batches<SmallRead>((items) => this.#read(items));
  readonly #writes = new Batches<SmallWrite>((items) => this.#write(items));

  constructor(workers: FileWorkers) {
    this.workers = workers;
  }

  /** @throws the file system's own error */
  read(path: string, offset: number, size: number): Promise<SmallRead> {
    return this.#reads.add({ base: '', path, offset, size }, undefined);
  }

  /**
   * Writes into a file that is there. The bytes are the caller's again when it resolves.
   *
   * @param base of the download that the file is of
   * @throws the file system's own error; `NOT_A_FILE` where the path leads out of the download by now
   */
  write(base: string, path: string, offset: number, bytes: Uint8Array): Promise<SmallWrite> {
    return this.#writes.add({ base, path, offset, size: bytes.byteLength }, bytes);
  }

  async #read(items: readonly Item<SmallRead>[]): Promise<void> {
    const { failures, stamps, bytes } = await this.workers.run({ kind: 'read', ...columnsOf(items) });
    noteShortLived(bytes.byteLength);
    const failed = new Map(failures.map((failure) => [failure.at, failure]));
    let from = 0;
    for (const [i, { size, resolve, reject }] of items.entries()) {
      const content = bytes.subarray(from, (from += size));
      const failure = failed.get(i);
      if (failure) reject(errorOf(failure));
      else resolve({ bytes: content, stamp: stampAt(stamps, i) });
    }
  }

  async #write(items: readonly Item<SmallWrite>[]): Promise<void> {
    const columns = columnsOf(items);
    const bytes = Buffer.allocUnsafeSlow(columns.sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const item of items) {
      bytes.set(item.bytes as Uint8Array, at);
      at += item.size;
    }
    const bases = items.map(({ base }) => base);
    const { failures, before, after } = await this.workers.run({ kind: 'write', bases, ...columns, bytes });
    const failed = new Map<number, FileFailure>(failures.map((failure) => [failure.at, failure]));
    for (const [i, { resolve, reject }] of items.entries()) {
      const failure = failed.get(i);
      if (failure) reject(errorOf(failure));
      else resolve({ before: stampAt(before, i), after: stampAt(after, i) });
    }
  }
}

/** Gathers items over a turn of the event loop, and then until there is room for another job. */
class Batches<T> {
  readonly #start: (items: Item<T>[]) => Promise<void>;
  #waiting: Item<T>[] = [];
  #isGathering = false;

  constructor(start: (items: Item<T>[]) => Promise<void>) {
    this.#start = start;
  }

  add(part: Part, bytes: Uint8Array | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...part, bytes, resolve, reject });
      if (this.#isGathering) return;
      this.#isGathering = true;
      setImmediate(() => {
        this.#isGathering = false;
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const items of split(waiting)) {
          this.#start(items).catch((error: unknown) => {
            for (const item of items) item.reject(error);
          });
        }
      });
    });
  }
}

function* split<T>(items: readonly Item<T>[]): Generator<Item<T>[]> {
  let batch: Item<T>[] = [];
  let bytes = 0;
  for (const item of items) {
    if (batch.length >= BATCH_ITEMS || (batch.length > 0 && bytes + item.size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += item.size;
  }
  if (batch.length > 0) yield batch;
}

function columnsOf(items: readonly Part[]): {
  paths: string[];
  offsets: Float64Array;
  sizes: Uint32Array;
} {
  return {
    paths: items.map(({ path }) => path),
    offsets: Float64Array.from(items, ({ offset }) => offset),
    sizes: Uint32Array.from(items, ({ size }) => size),
  };
}

/**
 * Goes through items in parts of {@link BATCH_ITEMS}, a few of them at work at a time. As {@link forEachBounded}, it
 * throws when no part is at work any more: what had begun to make files would go on beside who deletes them.
 */
export function forEachPart<T>(
  items: readonly T[],
  workers: FileWorkers,
  task: (part: readonly T[], firstIndex: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const starts = function* (): Iterable<number> {
    for (let first = 0; first < items.length; first += BATCH_ITEMS) yield first;
  };
  const run = (first: number): Promise<void> => task(items.slice(first, first + BATCH_ITEMS), first);
  // One more than there are threads, so that none waits for the next part.
  return forEachBounded(starts(), workers.parallel + 1, run, signal);
}
