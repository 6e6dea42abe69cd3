import type { CID } from 'multiformats/cid';
import type { Manifest } from '../integrity/manifest.ts';
import type { Place } from './asset-entry.ts';
import type { Catalog } from './catalog.ts';
import type { ResumeOptions } from './copy-chunks.ts';
import type { Downloads } from './downloads.ts';
import { lstatOrUndefined } from './file-stamps.ts';
import type { KeyLock } from './key-lock.ts';
import { recheckPlace } from './recheck-place.ts';
import type { Recheck } from './store.ts';

/** See `Store.recheck`. Other things may go on with the asset while its files are hashed. */
export async function recheck(
  catalog: Catalog,
  downloads: Downloads,
  lock: KeyLock,
  root: CID,
  options: ResumeOptions,
): Promise<Recheck | undefined> {
  const key = root.toString();
  const find = async () => {
    const manifest = await catalog.loadManifest(root, options.signal);
    if (!manifest) return undefined;
    if (catalog.entry(root)?.places.length === 0) {
      const partial = await downloads.recheck(root, manifest, options);
      if (partial) return { partial };
    }
    const place = await newestThere(catalog, root);
    return place && { manifest, place };
  };
  const found = await lock.run(key, find, options.signal);
  if (!found) return undefined;
  if (found.partial) return found.partial;
  const { manifest, place } = found;
  return checkPlace(catalog, lock, manifest, place, options);
}

async function checkPlace(
  catalog: Catalog,
  lock: KeyLock,
  manifest: Manifest,
  place: Place,
  options: ResumeOptions,
): Promise<Recheck> {
  const { root } = manifest;
  const base = catalog.pathOf(root, place);
  const { stamps, ...result } = await recheckPlace(
    manifest,
    base,
    place.kind,
    catalog.pool,
    catalog.small,
    options,
  );
  const isRenewed =
    result.problems.length === 0 &&
    (await lock.run(root.toString(), () => catalog.renewStamps(root, place, stamps)));
  return { ...result, path: place.path, isRenewed };
}

/** The newest place where anything lies; the newest one where nothing lies at any. */
async function newestThere(catalog: Catalog, root: CID): Promise<Place | undefined> {
  const places = catalog.entry(root)?.places ?? [];
  for (const place of places) {
    if (await lstatOrUndefined(catalog.pathOf(root, place)).catch(() => undefined)) return place;
  }
  return places[0];
}
