import { realpath, rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import type { AssetEntry, Download, Place } from './asset-entry.ts';
import type { Catalog } from './catalog.ts';
import { isDeleted } from './change-target.ts';
import type { Log } from './data-folder.ts';
import { lstatOrUndefined, type FileStamps } from './file-stamps.ts';
import { checkTarget, moveIntoPlace } from './move-into-place.ts';
import { newId } from './node-index.ts';
import type { LiveDownload } from './open-asset.ts';
import { deleteForGood, partialGone, partialName, type SkippedLinks } from './partial-tree.ts';
import type { PlacedContent } from './placed-content.ts';

/** Links named one by one that were not made: a person reads the first few. */
const MAX_LINK_WARNINGS = 10;

/**
 * Puts a download that has every chunk at its target: syncs it, renames it, and makes it a place of the asset.
 *
 * @throws ERR_INCOMPLETE, ERR_NOT_FOUND, ERR_TARGET_EXISTS unless `force`, ERR_DISK_FULL, ERR_ACCESS, ERR_IO. The partial stays, and can be finished again
 */
export async function finishDownload(
  catalog: Catalog,
  log: Log,
  manifest: Manifest,
  live: LiveDownload,
  download: Download,
  force: boolean,
): Promise<void> {
  const { root } = manifest;
  const { partial } = live;
  const entry = catalog.entry(root) as AssetEntry;
  const target = live.path ?? catalog.folder.contentPath(root);
  const keepsPartial = (error: unknown): never => {
    throw whereItIsKept(error, root, partial.base, force);
  };
  if (live.path !== undefined)
    await checkDownloadTarget(catalog, manifest, target, force).catch(keepsPartial);
  let sealed = await partial.seal();
  warnOfLinks(log, target, sealed.skippedLinks);
  const asidePath = partialName(target, root.toString(), newId().slice(0, 8), '.shoal-old');
  await partial.pause(async () => {
    // That may have taken minutes, in which a peer was to be sent a chunk that something had changed on the disk.
    if (!partial.isFull) throw notAllHere(root);
    if (!partial.isSealed) sealed = await partial.seal();
    if (!(await lstatOrUndefined(partial.base))) throw partialGone(partial.base, root.toString());
    await moveIntoPlace(partial.base, target, {
      type: manifest.type,
      force: force || live.path === undefined,
      asidePath,
      onAside: async () => {
        download.aside = asidePath;
        await catalog.put(root, entry);
      },
    }).catch(keepsPartial);
    const placed = await commitPlace(catalog, log, manifest, live.path, sealed.stamps);
    live.placed = placed;
    return placed;
  });
  // It is whole, whatever cannot be tidied up.
  await partial
    .close()
    .catch((error: unknown) => log('warn', `${partial.base} could not be closed: ${String(error)}`));
  await isDeleted(log, catalog.folder.bitmapPath(root));
  if (download.other !== undefined) await isDeleted(log, download.other);
  await deleteReplaced(catalog, log, root);
}

/** ERR_INCOMPLETE of a download that is to be put at its target. */
export function notAllHere(root: CID): ShoalError {
  return new ShoalError(
    'ERR_INCOMPLETE',
    `not all of ${root.toString()} is here yet; download the rest first`,
  );
}

/**
 * Deletes what `force` moved aside. Where this user may not, the download is whole all the same. Where its disk is away the
 * next start tries again.
 */
export async function deleteReplaced(catalog: Catalog, log: Log, root: CID): Promise<void> {
  const entry = catalog.entry(root);
  if (entry?.aside === undefined) return;
  const { aside, ...settled } = entry;
  try {
    if (!(await lstatOrUndefined(dirname(aside)))) return;
    await deleteForGood(aside);
  } catch (error) {
    log('warn', `what was replaced lies in ${aside} now and cannot be deleted: ${String(error)}`);
  }
  await catalog
    .put(root, settled)
    .catch((error: unknown) =>
      log('warn', `that ${aside} is of no more use was not noted: ${String(error)}`),
    );
}

/** A target that is taken costs nobody what was downloaded: says where it is, and how it is used or deleted. */
function whereItIsKept(error: unknown, root: CID, partial: string, force: boolean): unknown {
  if (!(error instanceof ShoalError) || error.code !== 'ERR_TARGET_EXISTS') return error;
  const other = force ? 'another target' : 'another target or --force';
  return new ShoalError(
    error.code,
    `${error.message}. What was downloaded is kept in ${partial}: the same command with ${other} uses it, and "shoal rm ${root.toString()}" deletes it`,
    { cause: error },
  );
}

function warnOfLinks(log: Log, target: string, { outside, unmade }: SkippedLinks): void {
  for (const { path, target: text } of outside.slice(0, MAX_LINK_WARNINGS))
    log('warn', `the link ${path.join('/')} to ${text} leads out of ${target} and was not made`);
  const more = outside.length - MAX_LINK_WARNINGS;
  if (more > 0) log('warn', `and ${more} more links that lead out of ${target} were not made`);
  const [first] = unmade;
  if (!first) return;
  const which = unmade.length === 1 ? 'it is' : `it and ${unmade.length - 1} more are`;
  log(
    'warn',
    `the link ${first.path.join('/')} could not be made in ${target}, which takes no symbolic links (on Windows this user may need the right to make them); ${which} left out`,
  );
}

/** The download of an entry has become a place. Where that cannot be kept the entry is as it was. */
export async function commitPlace(
  catalog: Catalog,
  log: Log,
  manifest: Manifest,
  path: string | undefined,
  stamps: FileStamps,
): Promise<PlacedContent> {
  const { folder } = catalog;
  const { root } = manifest;
  const entry = catalog.entry(root) as AssetEntry;
  const place: Place = { id: newId(), kind: 'complete', path };
  // What a stream left in the data folder has now a place of its own; it would be there twice.
  const inside = entry.places.find((old) => old.path === undefined && old.kind === 'complete');
  const isTwice = inside !== undefined && path !== undefined;
  const places = isTwice ? entry.places.filter((old) => old !== inside) : entry.places;
  const aside = entry.download?.aside ?? entry.aside;
  await catalog.putPlace(root, { ...entry, places, download: undefined, aside }, place, stamps);
  // It is whole from here on, whatever of the rest fails. Stamps that nobody refers to are deleted at the next start.
  if (root.code === RAW_CODE) await folder.index.deleteNodes(entry.nodes).catch(() => {});
  if (isTwice) {
    await folder.index.deleteStamps(inside.id).catch(() => {});
    await isDeleted(log, folder.contentPath(root));
  }
  return catalog.content(manifest, place, stamps);
}

/**
 * Checks that a download may end at `target`.
 *
 * @throws ERR_TARGET_EXISTS, ERR_NOT_FOUND
 */
export async function checkDownloadTarget(
  catalog: Catalog,
  manifest: Manifest,
  target: string,
  force: boolean,
): Promise<void> {
  await checkTarget(target, manifest.type, force);
  const { folder } = catalog;
  // A link there is replaced itself.
  const folderOfTarget = await realpath(dirname(target)).catch(() => undefined);
  if (folderOfTarget !== undefined && (await folder.isPart(join(folderOfTarget, basename(target))))) {
    throw new ShoalError(
      'ERR_TARGET_EXISTS',
      `${target} belongs to the data folder ${folder.path} itself; choose another target`,
    );
  }
  if (manifest.type !== 'directory') return;
  const real = await realpath(target).catch(() => undefined);
  if (real === undefined) return;
  const fromTarget = relative(real, await folder.realPath());
  if (isAbsolute(fromTarget) || fromTarget === '..' || fromTarget.startsWith(`..${sep}`)) return;
  throw new ShoalError(
    'ERR_TARGET_EXISTS',
    `${target} contains the data folder and is not replaced by ${manifest.root.toString()}; choose another target`,
  );
}

/** Whether something lies at the target that may be the download: a run was killed between its rename and its record. */
export async function isAtTarget(catalog: Catalog, root: CID, download: Download): Promise<boolean> {
  const target = download.path ?? catalog.folder.contentPath(root);
  const [partial, there] = await Promise.all([lstatOrUndefined(download.partial), lstatOrUndefined(target)]);
  if (!there) return false;
  if (!partial) return true;
  // Some network drives give every file the same number; and where there are no hard links nothing was linked.
  if (!partial.isFile() || partial.nlink < 2n) return false;
  if (partial.ino !== there.ino || partial.dev !== there.dev) return false;
  // Linked to its target, and not yet unlinked here.
  await rm(download.partial);
  return true;
}
