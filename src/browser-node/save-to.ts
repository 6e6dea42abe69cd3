import type { SaveBlobOptions, SavedBlob, SavedFolder, SaveFolderOptions } from '../browser-api.ts';
import type { PageStore } from '../browser-store/page-store.ts';
import type { AssetHandle } from '../node/asset-handle.ts';
import { saveFolder } from './save-folder.ts';
import { writeFile } from './write-file.ts';
import { WritingMeter } from './writing-meter.ts';

/** What {@link saveTo} works with. */
export interface SaveToParts {
  handle: AssetHandle;
  store: PageStore;
  /** Fetches a file, and keeps it. */
  fetch: (options: SaveBlobOptions) => Promise<SavedBlob>;
}

/** Saves to what a person picked: `save` with `to`. Loaded when it is used. */
export async function saveTo(
  parts: SaveToParts,
  options: SaveBlobOptions | SaveFolderOptions,
): Promise<SavedBlob | SavedFolder> {
  if (isFolder(options)) return saveFolder(parts.handle, parts.store, options);
  const { to, path, onProgress } = options;
  if (!to) return parts.fetch(options);
  const startedMs = performance.now();
  const saved = await parts.fetch({
    ...options,
    // It is done when it has been written.
    onProgress: (progress) => progress.phase !== 'done' && onProgress?.(progress),
  });
  const meter = new WritingMeter(saved.bytes, saved.sources, onProgress);
  const signal = parts.handle.untilClosed(options.signal);
  const content = parts.handle.stream({ path, signal });
  const name = 'name' in to ? to.name : 'the stream';
  await writeFile(to, name, content, (bytes) => meter.add(bytes), signal);
  meter.done();
  return { ...saved, durationMs: performance.now() - startedMs };
}

function isFolder(options: SaveBlobOptions | SaveFolderOptions): options is SaveFolderOptions {
  return options.to !== undefined && 'getDirectoryHandle' in options.to;
}
