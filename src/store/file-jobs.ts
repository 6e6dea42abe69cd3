import { isUtf8 } from 'node:buffer';
import { createHash, hash, type KeyObject } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  writeSync,
  type BigIntStats,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { MIN_SEALED_BYTES, SealMaker } from './seal-of.ts';

/**
 * Work on files that is done in one go, by synchronous calls: a call costs a few microseconds, where the same one through
 * a promise costs Node 20 to 40, for waking a thread and coming back. So it belongs into a thread of its own
 * (`FileWorkers`). Names next to nothing else of Shoal, for each worker loads it.
 */
export type FileJob = HashJob | ImportJob | MakeJob | ReadJob | StatJob | WriteJob;

/** Hashes the chunks of a part of a file, if the file is still what it was when it was looked at. */
export interface HashJob {
  kind: 'hash';
  path: string;
  /** Where that is: see {@link checkPlace}. */
  place: string | undefined;
  stamp: Stamp;
  /** First byte, a multiple of `chunkSize`. */
  from: number;
  to: number;
  chunkSize: number;
  /** Makes a seal of each chunk that is worth one (`Seals`). */
  sealKey?: KeyObject | undefined;
}

/** Looks at entries of a folder, and reads and hashes the files among them that are small enough to be one leaf. */
export interface ImportJob {
  kind: 'import';
  folder: string;
  /** Where that is: see {@link checkPlace}. */
  place: string | undefined;
  names: readonly string[];
  /** Larger files are only looked at. */
  maxBytes: number;
}

/** Makes files of a size, sparse. */
export interface MakeJob {
  kind: 'make';
  /** Of the tree that the files are in: see {@link checkTail}. */
  base: string;
  paths: readonly string[];
  sizes: Float64Array;
  /** Nothing may be there yet. */
  isExclusive: boolean;
}

/** Reads a part of each file. */
export interface ReadJob {
  kind: 'read';
  paths: readonly string[];
  offsets: Float64Array;
  sizes: Uint32Array;
}

/** Looks at each file. */
export interface StatJob {
  kind: 'stat';
  paths: readonly string[];
}

/** Writes into files that are there. */
export interface WriteJob {
  kind: 'write';
  /** By file, of the tree that it is in: see {@link checkTail}. */
  bases: readonly string[];
  paths: readonly string[];
  offsets: Float64Array;
  sizes: Uint32Array;
  /** What goes into the files, one after another. */
  bytes: Uint8Array;
}

/** What tells whether a file is still the one it was: size in bytes, modification time in nanoseconds. */
export interface Stamp {
  size: bigint;
  mtimeNs: bigint;
}

/** The stamp of an item of a job that stamps its items. */
export function stampAt(stamps: BigInt64Array, item: number): Stamp {
  return { size: stamps[item * 2] as bigint, mtimeNs: stamps[item * 2 + 1] as bigint };
}

function setStamp(stamps: BigInt64Array, item: number, { size, mtimeNs }: Stamp): void {
  stamps[item * 2] = size;
  stamps[item * 2 + 1] = mtimeNs;
}

/** What went wrong with one item of a job; its others are done all the same. */
export interface FileFailure {
  /** Index of the item. */
  at: number;
  /** An errno (`ENOENT`), {@link NOT_A_FILE}, {@link CHANGED} or {@link NOT_TEXT}. */
  code: string;
  message: string;
  /** Undefined where the operating system is not whose word it is. */
  syscall?: string;
}

/** Something that is no file lies where a file is meant to be. */
export const NOT_A_FILE = 'NOT_A_FILE';

/** The file is not what it was when it was looked at. */
export const CHANGED = 'CHANGED';

/** Where a link leads is not UTF-8. */
export const NOT_TEXT = 'NOT_TEXT';

/** What an entry of a folder is. */
export type FoundType = 'file' | 'directory' | 'symlink' | 'other' | 'failed';

/** Size and time of each item, two numbers each: see `FileStamps`; zeros where there is no file. */
interface Stamped {
  stamps: BigInt64Array<ArrayBuffer>;
}

interface Failing {
  failures: FileFailure[];
}

/** What each kind of job gives. */
export interface FileJobResults {
  hash: Failing & {
    digests: Uint8Array<ArrayBuffer>;
    /** By number in the part; none where none was to be made. */
    seals: Map<number, bigint>;
  };
  import: Failing &
    Stamped & {
      types: FoundType[];
      /** Of files that were read, 32 bytes for each item. */
      digests: Uint8Array<ArrayBuffer>;
      /** Whether the item's digest is there. */
      isHashed: Uint8Array<ArrayBuffer>;
      /** Texts of links, by index. */
      targets: Map<number, string>;
      /** Device and inode of folders, by index. */
      folders: Map<number, { dev: bigint; ino: bigint }>;
    };
  make: Failing;
  read: Failing &
    Stamped & {
      /** What was read, one after another, at full size each: what a file was too short for is zero. */
      bytes: Uint8Array<ArrayBuffer>;
    };
  stat: Failing & Stamped;
  write: Failing & {
    /** Size and time of each file before it was written to, and after. */
    before: BigInt64Array<ArrayBuffer>;
    after: BigInt64Array<ArrayBuffer>;
  };
}

// A link in the place of the file is never followed, and a pipe in its place must not block.
const GUARD = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const DIGEST_BYTES = 32;

/** Read and hashed at once: what stays in the core's own cache meanwhile. On a busy machine whole chunks of 1 MiB take half as much time again. */
const PIECE_BYTES = 128 << 10;

/** The buffer of hash jobs: kept, since a new one for each counts against V8's limit for memory outside of its heap. */
let scratch = new Uint8Array(0);

/** Does a job. Never throws for what is wrong with a file: that is told of in `failures`. */
export function runFileJob<K extends FileJob['kind']>(job: Extract<FileJob, { kind: K }>): FileJobResults[K] {
  return RUN[job.kind](job as never) as FileJobResults[K];
}

const RUN = {
  hash: runHash,
  import: runImport,
  make: runMake,
  read: runRead,
  stat: runStat,
  write: runWrite,
};

function runHash({ path, place, stamp, from, to, chunkSize, sealKey }: HashJob): FileJobResults['hash'] {
  const failures: FileFailure[] = [];
  const seals = new Map<number, bigint>();
  const digests = new Uint8Array(Math.ceil((to - from) / chunkSize) * DIGEST_BYTES);
  if (scratch.byteLength < PIECE_BYTES) scratch = Buffer.allocUnsafeSlow(PIECE_BYTES);
  attempt(failures, 0, () =>
    withFile(path, constants.O_RDONLY, (fd) => {
      checkPlace(fd, place);
      for (let at = from, n = 0; at < to; at += chunkSize, n++) {
        const end = Math.min(to, at + chunkSize);
        const digest = createHash('sha256');
        const seal = sealKey && end - at >= MIN_SEALED_BYTES ? new SealMaker(sealKey) : undefined;
        for (let pos = at; pos < end; pos += PIECE_BYTES) {
          const piece = scratch.subarray(0, Math.min(PIECE_BYTES, end - pos));
          if (readFully(fd, piece, pos) < piece.byteLength) throw changed();
          digest.update(piece);
          seal?.update(piece);
        }
        digests.set(digest.digest(), n * DIGEST_BYTES);
        if (seal) seals.set(n, seal.end());
      }
      checkUnchanged(fd, stamp);
    }),
  );
  return { failures, digests, seals };
}

function runImport({ folder, place, names, maxBytes }: ImportJob): FileJobResults['import'] {
  const result: FileJobResults['import'] = {
    failures: [],
    stamps: new BigInt64Array(names.length * 2),
    types: [],
    digests: new Uint8Array(names.length * DIGEST_BYTES),
    isHashed: new Uint8Array(names.length),
    targets: new Map(),
    folders: new Map(),
  };
  if (scratch.byteLength < maxBytes) scratch = Buffer.allocUnsafeSlow(maxBytes);
  for (const [i, name] of names.entries()) {
    const path = join(folder, name);
    result.types[i] = 'failed';
    attempt(result.failures, i, () => {
      const stats = lstatSync(path, { bigint: true });
      setStamp(result.stamps, i, stats);
      if (stats.isFile() && stats.size <= maxBytes) {
        result.digests.set(hashSmall(path, place && join(place, name), stats), i * DIGEST_BYTES);
        result.isHashed[i] = 1;
      } else if (stats.isSymbolicLink()) result.targets.set(i, readLinkText(path));
      else if (stats.isDirectory()) result.folders.set(i, { dev: stats.dev, ino: stats.ino });
      result.types[i] = typeOf(stats);
    });
  }
  return result;
}

/** Where a link leads. @throws {@link NOT_TEXT}: it would be shared as another link */
export function readLinkText(path: string): string {
  const bytes = readlinkSync(path, { encoding: 'buffer' });
  if (!isUtf8(bytes)) throw failure(NOT_TEXT, 'it leads to a name that is not UTF-8');
  return bytes.toString();
}

function typeOf(stats: BigIntStats): FoundType {
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isDirectory() ? 'directory' : 'other';
}

function hashSmall(path: string, place: string | undefined, found: Stamp): Uint8Array {
  return withFile(path, constants.O_RDONLY, (fd) => {
    checkPlace(fd, place);
    const content = scratch.subarray(0, Number(found.size));
    if (readFully(fd, content, 0) < content.byteLength) throw changed();
    checkUnchanged(fd, found);
    return hash('sha256', content, 'buffer');
  });
}

function runMake({ base, paths, sizes, isExclusive }: MakeJob): FileJobResults['make'] {
  const failures: FileFailure[] = [];
  const flags = constants.O_RDWR | constants.O_CREAT | (isExclusive ? constants.O_EXCL : 0);
  for (const [i, path] of paths.entries()) {
    attempt(failures, i, () =>
      withFile(path, flags, (fd) => {
        checkTail(fd, path, base);
        const size = sizes[i] as number;
        // What was just made is empty, and no one else's.
        if (isExclusive) return void (size > 0 && ftruncateSync(fd, size));
        const stats = fstatSync(fd);
        if (!stats.isFile()) throw failure(NOT_A_FILE, `${path} is no file`);
        if (stats.size !== size) ftruncateSync(fd, size);
      }),
    );
  }
  return { failures };
}

function runRead({ paths, offsets, sizes }: ReadJob): FileJobResults['read'] {
  const failures: FileFailure[] = [];
  const stamps = new BigInt64Array(paths.length * 2);
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let to = 0;
  for (const [i, path] of paths.entries()) {
    const into = bytes.subarray(to, (to += sizes[i] as number));
    attempt(failures, i, () =>
      withFile(path, constants.O_RDONLY, (fd) => {
        const stats = fstatSync(fd, { bigint: true });
        if (!stats.isFile()) throw failure(NOT_A_FILE, `${path} is no file`);
        setStamp(stamps, i, stats);
        readFully(fd, into, offsets[i] as number);
      }),
    );
  }
  return { failures, stamps, bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function runStat({ paths }: StatJob): FileJobResults['stat'] {
  const failures: FileFailure[] = [];
  const stamps = new BigInt64Array(paths.length * 2);
  for (const [i, path] of paths.entries()) {
    attempt(failures, i, () => {
      const stats = lstatSync(path, { bigint: true });
      if (!stats.isFile()) throw failure(NOT_A_FILE, `${path} is no file`);
      setStamp(stamps, i, stats);
    });
  }
  return { failures, stamps };
}

function runWrite({ bases, paths, offsets, sizes, bytes }: WriteJob): FileJobResults['write'] {
  const failures: FileFailure[] = [];
  const before = new BigInt64Array(paths.length * 2);
  const after = new BigInt64Array(paths.length * 2);
  let from = 0;
  for (const [i, path] of paths.entries()) {
    const content = bytes.subarray(from, (from += sizes[i] as number));
    attempt(failures, i, () =>
      withFile(path, constants.O_RDWR, (fd) => {
        checkTail(fd, path, bases[i] as string);
        setStamp(before, i, fstatSync(fd, { bigint: true }));
        for (let at = 0; at < content.byteLength;)
          at += writeSync(fd, content, at, content.byteLength - at, (offsets[i] as number) + at);
        setStamp(after, i, fstatSync(fd, { bigint: true }));
      }),
    );
  }
  return { failures, before, after };
}

function withFile<T>(path: string, flags: number, task: (fd: number) => T): T {
  const fd = openSync(path, flags | GUARD);
  try {
    return task(fd);
  } finally {
    closeSync(fd);
  }
}

/** @returns how many bytes there were */
function readFully(fd: number, into: Uint8Array, offset: number): number {
  let at = 0;
  while (at < into.byteLength) {
    const bytesRead = readSync(fd, into, at, into.byteLength - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

function checkUnchanged(fd: number, found: Stamp): void {
  const now = fstatSync(fd, { bigint: true });
  if (!now.isFile() || now.size !== found.size || now.mtimeNs !== found.mtimeNs) throw changed();
}

/**
 * Where an open file is, whatever led to it. Undefined where the system does not tell: only Linux does.
 */
export function placeOf(fd: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/**
 * A folder may become a link on the way to one of its files: somebody else who may write into what is shared would so have
 * any file shared that its user can read. (`O_NOFOLLOW` is about the last name only.)
 *
 * @param place where the file is to be; undefined: it is not known
 * @throws {@link CHANGED}
 */
export function checkPlace(fd: number, place: string | undefined): void {
  const found = place === undefined ? undefined : placeOf(fd);
  // Some file systems tell a name as it was first asked for, in whatever case.
  if (found !== undefined && folded(found) !== folded(place as string)) throw changed();
}

/**
 * A folder of a download may become a link on the way to one of its files: somebody else who may write where it lies would so have
 * a file of the same name changed that only its user can write to. What lies above the download may well be linked. As
 * {@link checkPlace}, for what is written to.
 *
 * @param path where the file was opened
 * @param base the download's file or folder, whose name nobody else has
 * @throws {@link NOT_A_FILE}
 */
export function checkTail(fd: number, path: string, base: string): void {
  const found = placeOf(fd)?.replace(/ \(deleted\)$/, '');
  const tail = join(sep, relative(dirname(base), path));
  if (found !== undefined && !folded(found).endsWith(folded(tail)))
    throw failure(NOT_A_FILE, `${path} leads to ${found} by now`);
}

function folded(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

function changed(): Error {
  return failure(CHANGED, 'the file changed while it was read');
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function attempt(failures: FileFailure[], at: number, task: () => void): void {
  try {
    task();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    failures.push({ at, code: String(code), message, ...(syscall === undefined ? {} : { syscall }) });
  }
}
