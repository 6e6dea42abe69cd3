import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { AssetEntry, Download } from './asset-entry.ts';
import { BitmapFile } from './bitmap-file.ts';
import type { Catalog } from './catalog.ts';
import { copyChunks, type ResumeOptions } from './copy-chunks.ts';
import type { Log } from './data-folder.ts';
import { lstatOrUndefined } from './file-stamps.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import type { LiveDownload } from './open-asset.ts';
import type { Partial } from './partial.ts';
import { deleteForGood, deleteTree, makeTree, syncTree } from './partial-tree.ts';
import { checkSpace } from './space.ts';
import { syncFolder } from './sync-folder.ts';

/** What a change of target works with. */
export interface TargetChange {
  catalog: Catalog;
  log: Log;
  manifest: Manifest;
  /** The new target; undefined: the data folder. */
  target: string | undefined;
  /** Where the partial goes. */
  to: string;
  newPartial: (base: string, bitmap: BitmapFile) => Partial;
}

/**
 * Takes an open download to another target: by rename, or, on another file system, by a copy. The record names both
 * partials before anything is moved, and the old one is deleted only when the record names a new one that has it all:
 * whatever fails, and whenever the process is killed, nothing that was downloaded is lost.
 *
 * @returns the download to go on with: the same one where it was renamed
 * @throws ERR_NO_SPACE, ERR_DISK_FULL, ERR_READ_ONLY, ERR_ACCESS, ERR_IO, the signal's reason. Then the old one is as it was
 */
export async function changeTarget(
  change: TargetChange,
  live: LiveDownload,
  options: ResumeOptions,
): Promise<LiveDownload> {
  const { catalog, manifest, target, to } = change;
  const { root } = manifest;
  const old = live.partial;
  const known = catalog.entry(root)?.download;
  if (known) await putBackReplaced(known);
  const before: Download = { path: live.path, partial: old.base, bytesHere: old.bytesHere };
  if (to !== old.base) {
    if (target === undefined) await deleteTree(to);
    await putDownload(catalog, root, { ...before, other: to });
    try {
      // A link asset has no files before it is finished.
      const isMoved = manifest.type !== 'symlink' && (await isRenamed(old, to));
      if (!isMoved) return await copyTo(change, old, options);
    } catch (error) {
      // What could not be deleted there is named until it can. Where this fails too, the next resume finds out.
      const isLeft = to !== old.base && (await lstatOrUndefined(to).catch(() => true));
      const other = isLeft ? to : undefined;
      await putDownload(catalog, root, { ...before, other, bytesHere: old.bytesHere }).catch(() => {});
      throw error;
    }
  }
  await putDownload(catalog, root, { path: target, partial: to, bytesHere: old.bytesHere });
  live.path = target;
  return live;
}

/** What `force` had moved aside when the process was killed belongs back where it was: the download goes elsewhere. */
export async function putBackReplaced({ path, aside }: Download): Promise<void> {
  if (aside === undefined || path === undefined) return;
  if ((await lstatOrUndefined(path)) || !(await lstatOrUndefined(aside))) return;
  await withFsErrors('move', aside, () => rename(aside, path));
  await syncFolder(dirname(path));
}

/**
 * Ends a change of target in which the process was killed: the partial is where the record says, or else where it was
 * being moved to; what else there is of it is deleted. Where it is at neither, its disk may be away: the record goes on
 * naming both.
 */
export async function settleChange(catalog: Catalog, log: Log, root: CID): Promise<void> {
  const download = catalog.entry(root)?.download;
  if (download?.other === undefined) return;
  const { other, ...settled } = download;
  const [here, there] = await Promise.all([lstatOrUndefined(download.partial), lstatOrUndefined(other)]);
  if (!here && !there) return;
  if (!here) settled.partial = other;
  else if (there && !(await isDeleted(log, other))) return;
  await isDeleted(log, catalog.folder.nextBitmapPath(root));
  await putDownload(catalog, root, settled);
}

/** Keeps the record of a download, durably; where that fails it is as it was. */
async function putDownload(catalog: Catalog, root: CID, download: Download): Promise<void> {
  const entry = catalog.entry(root) as AssetEntry;
  const before = entry.download;
  entry.download = download;
  try {
    await catalog.put(root, entry);
  } catch (error) {
    entry.download = before;
    throw error;
  }
}

/** @returns false where `to` lies on another file system */
async function isRenamed(partial: Partial, to: string): Promise<boolean> {
  const from = partial.base;
  try {
    await partial.moveTo(to);
    // Before the record forgets where it was.
    await syncFolder(dirname(to));
    return true;
  } catch (error) {
    if (isErrno(error, 'EXDEV')) return false;
    return withFsErrors('move', from, () => Promise.reject(error as Error));
  }
}

async function copyTo(change: TargetChange, old: Partial, options: ResumeOptions): Promise<LiveDownload> {
  const { catalog, log, manifest, target, to } = change;
  const { root } = manifest;
  const bitmapPath = catalog.folder.nextBitmapPath(root);
  const where = target === undefined ? catalog.folder.path : dirname(target);
  await checkSpace(where, manifest.size, root.toString());
  await deleteTree(bitmapPath);
  const bitmap = await BitmapFile.open(bitmapPath, manifest.chunkCount);
  const partial = change.newPartial(to, bitmap);
  try {
    await makeTree(to, manifest, 'create', catalog.small.workers, options.signal);
    await copyAll(manifest, old, partial, options);
    await syncTree(partial, catalog.pool, to, manifest, catalog.small.workers);
    await syncFolder(dirname(to));
    const { bytesHere } = partial;
    await putDownload(catalog, root, { path: target, partial: to, other: old.base, bytesHere });
  } catch (error) {
    await partial.close();
    for (const path of [to, bitmapPath]) await isDeleted(log, path);
    throw error;
  }
  await dropOld(change, old, bitmapPath);
  return { partial, path: target, placed: undefined, users: 1, bytesDamaged: 0 };
}

/** @throws ERR_IO where something that is here cannot be read now: it may be readable later */
async function copyAll(manifest: Manifest, old: Partial, to: Partial, options: ResumeOptions): Promise<void> {
  const wanted = old.have();
  await copyChunks(manifest, old, to, options);
  const [still, copied] = [old.have(), to.have()];
  for (let n = 0; n < manifest.chunkCount; n++) {
    if (!wanted.has(n) || !still.has(n) || copied.has(n)) continue;
    throw new ShoalError(
      'ERR_IO',
      `${old.base} could not be read to the end and was not moved; what was downloaded stays there: check that disk, then try again`,
    );
  }
}

/** The record names the new partial: from here on nothing may fail, and a kill leaves what {@link settleChange} ends. */
async function dropOld(
  { catalog, log, manifest, target, to }: TargetChange,
  old: Partial,
  bitmapPath: string,
): Promise<void> {
  const { root } = manifest;
  try {
    await old.close();
    // What either bitmap claims is hashed when the partial is opened: the old one will do until then.
    await rename(bitmapPath, catalog.folder.bitmapPath(root));
    await deleteForGood(old.base);
    const bytesHere = catalog.entry(root)?.download?.bytesHere ?? 0;
    await putDownload(catalog, root, { path: target, partial: to, bytesHere });
  } catch (error) {
    log('warn', `what was moved from ${old.base} may not be deleted there: ${String(error)}`);
  }
}

/** Deletes what is of no more use. @returns whether it could: what cannot be deleted is told of, and keeps nobody from going on */
export async function isDeleted(log: Log, path: string): Promise<boolean> {
  try {
    await deleteForGood(path);
    return true;
  } catch (error) {
    log('warn', `${path} is of no more use and cannot be deleted: ${String(error)}`);
    return false;
  }
}
