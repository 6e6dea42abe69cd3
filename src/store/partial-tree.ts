import { constants } from 'node:fs';
import { lstat, mkdir, open, readlink, rm, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ShoalError } from '../errors.ts';
import type { Manifest, ManifestEntry, ManifestFile, ManifestSymlink } from '../integrity/manifest.ts';
import { forEachBounded } from './bounded.ts';
import { FileStamps, lstatOrUndefined, stampOf } from './file-stamps.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import type { HandlePool } from './handle-pool.ts';
import { checkCollisions, entryPath, isInsideLink } from './tree-layout.ts';

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
 * ERR_NOT_FOUND, ERR_DISK_FULL, ERR_READ_ONLY, ERR_ACCESS, ERR_IO
 */
export async function makeTree(
  base: string,
  manifest: Manifest,
  mode: 'create' | 'adopt',
  signal?: AbortSignal,
): Promise<void> {
  if (manifest.type === 'directory') {
    await makeFolder(base, mode);
    if (mode === 'create' && (await isCaseBlind(base))) checkCollisions(manifest);
  }
  for (const entry of manifest.entries) {
    if (entry.type === 'directory') await makeFolder(entryPath(base, entry), mode);
  }
  await forEachBounded(
    filesOf(manifest),
    PARALLEL_FILES,
    (file) => makeFile(entryPath(base, file), file.size, mode),
    signal,
  );
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

async function makeFile(path: string, size: number, mode: 'create' | 'adopt'): Promise<void> {
  const exclusive = mode === 'create' ? constants.O_EXCL : 0;
  await withFsErrors('make', path, async () => {
    try {
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT | NOFOLLOW | exclusive);
      try {
        const stats = await handle.stat();
        if (!stats.isFile()) throw tampered(path);
        if (stats.size !== size) await handle.truncate(size);
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (isErrno(error, 'ELOOP', 'EMLINK', 'EISDIR', 'ENXIO')) throw tampered(path, error);
      throw alreadyThere(error, path);
    }
  });
}

function alreadyThere(error: unknown, path: string): unknown {
  if (!isErrno(error, 'EEXIST')) return error;
  return new ShoalError(
    'ERR_NAME_COLLISION',
    `${path} is already there although nothing was to be: another entry has the same name on this file system; save the asset to another one`,
    { cause: error },
  );
}

function tampered(path: string, cause?: unknown): ShoalError {
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

/**
 * Makes the asset's symbolic links, those that lead out of it excepted (see {@link isInsideLink}).
 *
 * @returns the ones not made
 */
export async function makeLinks(base: string, manifest: Manifest): Promise<ManifestSymlink[]> {
  const skipped: ManifestSymlink[] = [];
  for (const entry of manifest.entries) {
    if (entry.type !== 'symlink') continue;
    if (!isInsideLink(entry)) skipped.push(entry);
    else await makeLink(entryPath(base, entry), entry.target);
  }
  return skipped;
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
 * @throws ERR_FILE_CHANGED where a file is no longer as long as it should be
 */
export async function syncTree(
  owner: object,
  pool: HandlePool,
  base: string,
  manifest: Manifest,
): Promise<FileStamps> {
  const stamps = new FileStamps(manifest.entries.length);
  const sync = async ([index, entry]: [number, ManifestEntry]): Promise<void> => {
    if (entry.type !== 'file') return;
    const path = entryPath(base, entry);
    await pool.use(owner, path, 'write', (handle) =>
      withFsErrors('write', path, async () => {
        await handle.sync();
        const stats = await handle.stat({ bigint: true });
        if (Number(stats.size) !== entry.size) throw tampered(path);
        stamps.set(index, stampOf(stats));
      }),
    );
  };
  await forEachBounded(manifest.entries.entries(), PARALLEL_FILES, sync);
  return stamps;
}

/** Deletes a partial, whatever became of it. */
export async function deleteTree(path: string): Promise<void> {
  await withFsErrors('delete', path, () => rm(path, { recursive: true, force: true }));
}
