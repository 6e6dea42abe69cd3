import { constants } from 'node:fs';
import { lstat, mkdir, open, readlink, rm, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ShoalError } from '../errors.ts';
import type { Manifest, ManifestEntry, ManifestFile, ManifestSymlink } from '../integrity/manifest.ts';
import { forEachBounded } from './bounded.ts';
import { checkCollisions, isInsideLink } from './entry-names.ts';
import { checkTail, NOT_A_FILE, stampAt, type FileFailure } from './file-jobs.ts';
import { FileStamps, lstatOrUndefined, stampOf } from './file-stamps.ts';
import { errorOf, type FileWorkers } from './file-workers.ts';
import { fsError, isErrno, withFsErrors } from './fs-error.ts';
import type { HandlePool } from './handle-pool.ts';
import { forEachPart, MANY_FILES } from './small-files.ts';
import { syncFileSystem } from './sync-file-system.ts';
import { syncFolder } from './sync-folder.ts';
import { entryPath } from './tree-layout.ts';

/** Files made, or synced to disk, side by side. */
const PARALLEL_FILES = 16;

const NOFOLLOW = constants.O_NOFOLLOW ?? 0;

/** Hidden, so that no one takes it for the file itself; the ends tell people and clean-up scripts what it is. */
const PARTIAL_ENDING = '.shoal-part';

/**
 * The name of a partial beside its target: on the same file system, so that the last rename is atomic.
 *
 * @param unique makes it this download's own, so that two data folders can save to the same target
 */
export function partialName(target: string, cid: string, unique: string, ending = PARTIAL_ENDING): string {
  const last = `.${cid.slice(-8)}.${unique}${ending}`;
  // 255 bytes is NAME_MAX; a character takes at most 3 of them for each UTF-16 unit.
  const room = 255 - last.length - 1;
  let name = basename(target);
  while (Buffer.byteLength(name) > room) name = name.slice(0, -1);
  return join(dirname(target), `.${name.toWellFormed()}${last}`);
}

/**
 * Makes all folders and files of an asset below `base`, the files sparse at their full size. Links come at the very
 * end ({@link makeLinks}), so that no path here ever leads through one.
 *
 * @param mode `create` fails where anything is already there; `adopt` takes over what an earlier run made
 * @throws ERR_NAME_COLLISION, ERR_PARTIAL_TAMPERED where something else lies in the place of a file or folder,
 * ERR_NOT_FOUND, ERR_DISK_FULL, ERR_READ_ONLY, ERR_ACCESS, ERR_IO, the signal's reason
 */
export async function makeTree(
  base: string,
  manifest: Manifest,
  mode: 'create' | 'adopt',
  workers: FileWorkers,
  signal?: AbortSignal,
): Promise<void> {
  if (manifest.type === 'directory') {
    await makeFolder(base, mode);
    if (mode === 'create' && (await isCaseBlind(base))) checkCollisions(manifest);
  }
  for (const entry of manifest.entries) {
    if (entry.type !== 'directory') continue;
    signal?.throwIfAborted();
    await makeFolder(entryPath(base, entry), mode);
  }
  if (manifest.entries.length >= MANY_FILES) return makeFiles(base, manifest, mode, workers, signal);
  await forEachBounded(
    filesOf(manifest),
    PARALLEL_FILES,
    (file) => makeFile(base, entryPath(base, file), file.size, mode),
    signal,
  );
}

async function makeFiles(
  base: string,
  manifest: Manifest,
  mode: 'create' | 'adopt',
  workers: FileWorkers,
  signal?: AbortSignal,
): Promise<void> {
  const makePart = async (part: readonly ManifestFile[]): Promise<void> => {
    const paths = part.map((file) => entryPath(base, file));
    const sizes = Float64Array.from(part, ({ size }) => size);
    const isExclusive = mode === 'create';
    const { failures } = await workers.run({ kind: 'make', base, paths, sizes, isExclusive });
    const [first] = failures;
    if (first) throw makeFailure(first, paths[first.at] as string);
  };
  await forEachPart([...filesOf(manifest)], workers, makePart, signal);
}

function makeFailure(failure: FileFailure, path: string): unknown {
  const error = errorOf(failure);
  if (failure.code === NOT_A_FILE) return tampered(path, error);
  return fsError(whatIsThere(error, path), 'make', path);
}

function* filesOf(manifest: Manifest): Iterable<ManifestFile> {
  for (const entry of manifest.entries) if (entry.type === 'file') yield entry;
}

async function makeFolder(path: string, mode: 'create' | 'adopt'): Promise<void> {
  await withFsErrors('make', path, async () => {
    try {
      await mkdir(path);
    } catch (error) {
      if (mode === 'create' || !isErrno(error, 'EEXIST')) throw alreadyThere(error, path);
      if (!(await lstat(path)).isDirectory()) throw tampered(path, error);
    }
  });
}

async function makeFile(base: string, path: string, size: number, mode: 'create' | 'adopt'): Promise<void> {
  const exclusive = mode === 'create' ? constants.O_EXCL : 0;
  await withFsErrors('make', path, async () => {
    try {
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT | NOFOLLOW | exclusive);
      try {
        checkTail(handle.fd, path, base);
        const stats = await handle.stat();
        if (!stats.isFile()) throw tampered(path);
        if (stats.size !== size) await handle.truncate(size);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw whatIsThere(error, path);
    }
  });
}

/** What it means that no file could be made: something else is in its place. */
function whatIsThere(error: unknown, path: string): unknown {
  if (isErrno(error, 'ELOOP', 'EMLINK', 'EISDIR', 'ENXIO', NOT_A_FILE)) return tampered(path, error);
  return alreadyThere(error, path);
}

function alreadyThere(error: unknown, path: string): unknown {
  if (!isErrno(error, 'EEXIST')) return error;
  return new ShoalError(
    'ERR_NAME_COLLISION',
    `${path} is already there although nothing was to be: another entry has the same name on this file system; save the asset to another one`,
    { cause: error },
  );
}

/** Something else lies in the place of a part of a download. */
export function tampered(path: string, cause?: unknown): ShoalError {
  return new ShoalError(
    'ERR_PARTIAL_TAMPERED',
    `${path} is not what this download left there; delete it and start again`,
    { cause },
  );
}

/** Whether the file system takes the folder's name in capitals for the same. */
async function isCaseBlind(folder: string): Promise<boolean> {
  const name = basename(folder);
  const other = name.toUpperCase() === name ? name.toLowerCase() : name.toUpperCase();
  return other !== name && (await lstatOrUndefined(join(dirname(folder), other))) !== undefined;
}

/** Links of an asset that were not made. */
export interface SkippedLinks {
  /** They lead out of it (see {@link isInsideLink}). */
  outside: ManifestSymlink[];
  /** Nobody can make any there, as on exFAT, or this user on Windows. */
  unmade: ManifestSymlink[];
}

/** Makes the asset's symbolic links, as far as they lead nowhere else and the file system takes any. */
export async function makeLinks(base: string, manifest: Manifest): Promise<SkippedLinks> {
  const skipped: SkippedLinks = { outside: [], unmade: [] };
  for (const entry of manifest.entries) {
    if (entry.type !== 'symlink') continue;
    if (!isInsideLink(entry)) skipped.outside.push(entry);
    else if (!(await isLinkMade(base, entry))) skipped.unmade.push(entry);
  }
  return skipped;
}

/** @returns false where none can be made. An asset that is nothing but a link fails then */
async function isLinkMade(base: string, entry: ManifestSymlink): Promise<boolean> {
  try {
    await makeLink(entryPath(base, entry), entry.target);
    return true;
  } catch (error) {
    const isUnable =
      error instanceof ShoalError && isErrno(error.cause, 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP');
    if (isUnable && entry.path.length > 0) return false;
    throw error;
  }
}

async function makeLink(path: string, target: string): Promise<void> {
  await withFsErrors('make the link', path, async () => {
    try {
      await symlink(target, path);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      // An earlier run was killed between this and the rename.
      if ((await lstat(path)).isSymbolicLink() && (await readlink(path)) === target) return;
      await unlink(path);
      await symlink(target, path);
    }
  });
}

/**
 * Brings everything to the disk and notes what the files are now.
 *
 * @throws ERR_PARTIAL_TAMPERED, ERR_NOT_FOUND where something else lies in the place of a file, or nothing
 */
export async function syncTree(
  owner: object,
  pool: HandlePool,
  base: string,
  manifest: Manifest,
  workers: FileWorkers,
): Promise<FileStamps> {
  const files = [...manifest.entries.entries()].filter(([, { type }]) => type === 'file');
  const stamps = new FileStamps(manifest.entries.length);
  if (manifest.entries.length >= MANY_FILES && (await syncFileSystem(base))) {
    await noteStamps(base, files as [number, ManifestFile][], stamps, workers);
    return stamps;
  }
  const sync = async ([index, entry]: [number, ManifestEntry]): Promise<void> => {
    const path = entryPath(base, entry);
    await pool.use(owner, path, 'write', (handle) =>
      withFsErrors('write', path, async () => {
        await handle.sync();
        stamps.set(index, stampOf(await handle.stat({ bigint: true })));
      }),
    );
  };
  await forEachBounded(files, PARALLEL_FILES, sync);
  if (manifest.type === 'directory') await syncFolder(base);
  for (const entry of manifest.entries)
    if (entry.type === 'directory') await syncFolder(entryPath(base, entry));
  return stamps;
}

/** Looks at files that have been synced. */
async function noteStamps(
  base: string,
  files: readonly [number, ManifestFile][],
  stamps: FileStamps,
  workers: FileWorkers,
): Promise<void> {
  await forEachPart(files, workers, async (part) => {
    const paths = part.map(([, entry]) => entryPath(base, entry));
    const found = await workers.run({ kind: 'stat', paths });
    const [first] = found.failures;
    if (first) throw tampered(paths[first.at] as string, errorOf(first));
    for (const [i, [index]] of part.entries()) stamps.set(index, stampAt(found.stamps, i));
  });
}

/** A partial that has chunks is not where it was left. */
export function partialGone(path: string, cid: string): ShoalError {
  return new ShoalError(
    'ERR_NOT_FOUND',
    `the unfinished download ${path} is not there; check that its disk is mounted, or get ${cid} again, which begins anew`,
  );
}

/**
 * As {@link deleteTree}, of what a record is about to forget: as durable as that will be. After a power cut it would be there
 * again, and nobody would know of it.
 */
export async function deleteForGood(path: string): Promise<void> {
  if (!(await lstatOrUndefined(path))) return;
  await deleteTree(path);
  await syncFolder(dirname(path));
}

/** Deletes a partial, whatever became of it. */
export async function deleteTree(path: string): Promise<void> {
  await withFsErrors('delete', path, () => rm(path, { recursive: true, force: true }));
}
