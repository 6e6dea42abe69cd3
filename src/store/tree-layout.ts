import { join } from 'node:path';
import type { ManifestEntry } from '../integrity/manifest.ts';

/** Where an entry lies below `base`, the path of the asset itself. */
export function entryPath(base: string, entry: ManifestEntry): string {
  return entry.path.length === 0 ? base : join(base, ...entry.path);
}
