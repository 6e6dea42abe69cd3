import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CID } from 'multiformats/cid';
import type { AssetEntry } from './asset-entry.ts';
import type { Catalog } from './catalog.ts';
import { isDeleted } from './change-target.ts';
import type { Log } from './data-folder.ts';
import { withFsErrors } from './fs-error.ts';
import { syncFolder } from './sync-folder.ts';

/** Begins the name of a mark in `content/`, which the root's CID ends: an import puts its content there just now. */
const MARK_PREFIX = '.placing-';

/**
 * Moves taken-in content to its place in the data folder and runs `commit`, which records it. Content without a record
 * is deleted where `commit` fails, or at the next start where the process is killed in between: a mark tells of it, since
 * that a record is missing alone may as well mean that the index was damaged.
 */
export async function placeContent<T>(
  catalog: Catalog,
  root: CID,
  spool: string,
  commit: (path: string) => Promise<T>,
): Promise<T> {
  const path = catalog.folder.contentPath(root);
  const mark = join(catalog.folder.path, 'content', `${MARK_PREFIX}${root.toString()}`);
  await withFsErrors('write', path, async () => {
    await writeFile(mark, '', { mode: 0o600 });
    await rename(spool, path);
    // Before the record: after a power cut the next start takes what still has its old name for an import that was killed.
    await syncFolder(dirname(path));
  });
  let isLeft = false;
  try {
    return await commit(path);
  } catch (error) {
    // The mark stays where this fails, so that the next start deletes both.
    if (!isNeeded(catalog.entry(root))) await rm(path, { force: true }).catch(() => (isLeft = true));
    throw error;
  } finally {
    if (!isLeft) await rm(mark, { force: true }).catch(() => {});
  }
}

/**
 * Deletes content that an import placed and, being killed, did not record.
 *
 * @param path of the data folder
 * @param entries all records, by root
 * @param isWhole whether no record may have been lost. Where not, nothing but the marks is deleted
 */
export async function removeUnrecorded(
  path: string,
  entries: ReadonlyMap<string, AssetEntry>,
  isWhole: boolean,
): Promise<void> {
  const folder = join(path, 'content');
  await withFsErrors('clean up', folder, async () => {
    for (const name of await readdir(folder)) {
      if (!name.startsWith(MARK_PREFIX)) continue;
      const root = name.slice(MARK_PREFIX.length);
      if (isWhole && root !== '' && !isNeeded(entries.get(root)))
        await rm(join(folder, root), { force: true });
      await rm(join(folder, name), { force: true });
    }
  });
}

/**
 * Deletes what was of no more use when the process was killed: bitmaps of downloads that had ended, and content that a
 * saved copy had taken the place of.
 *
 * @param path of the data folder
 * @param entries all records, by root
 */
export async function removeEnded(
  path: string,
  entries: ReadonlyMap<string, AssetEntry>,
  log: Log,
): Promise<void> {
  for (const folder of ['partials', 'content'].map((name) => join(path, name))) {
    for (const name of await withFsErrors('read', folder, () => readdir(folder))) {
      const entry = entries.get(name.split('.', 1)[0] as string);
      const isOfUse = folder.endsWith('content') ? isNeeded(entry) : entry?.download !== undefined;
      // Where the record was lost it may be found again, with a copy of the index.
      if (entry && !isOfUse) await isDeleted(log, join(folder, name));
    }
  }
}

/** Whether a record names the content in the data folder, or may: a download may have been killed as it was put there. */
function isNeeded(entry: AssetEntry | undefined): boolean {
  if (!entry) return false;
  return entry.download !== undefined || entry.places.some(({ path }) => path === undefined);
}
