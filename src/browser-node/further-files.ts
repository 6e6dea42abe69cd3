/** What a page loads only when it is given files or folders; this file and what it imports is a chunk of its own (scripts/build.ts). */
import type { ShareOptions } from '../api.ts';
import type { PageShareSource } from '../browser-api.ts';
import { importFiles } from '../browser-store/import-files.ts';
import type { PageStore } from '../browser-store/page-store.ts';
import { checkShareName } from '../store/check-share-name.ts';
import type { AssetRecord } from '../store/store.ts';
import { collectFiles } from './collect-files.ts';

import { stampsOf } from './share-again.ts';

export { saveTo } from './save-to.ts';
export { shareAgain } from './share-again.ts';

/** Hashes what a person chose, and has the store serve it where it lies. @throws as `PageShoal.share` */
export async function shareFiles(
  store: PageStore,
  source: PageShareSource,
  options: ShareOptions,
): Promise<AssetRecord> {
  const { chunkSize, onProgress, signal } = options;
  checkShareName(options.name);
  const { files, emptyFolders, name, handles } = await collectFiles(source, signal);
  const shared = await importFiles(files, {
    emptyFolders,
    name: options.name ?? name,
    chunkSize,
    onProgress: (bytes, total) => onProgress?.({ bytes, total }),
    signal,
  });
  const { type, size: bytes } = shared.manifest;
  const share = { name: shared.name, type, bytes, chunkSize, stamps: stampsOf(files), emptyFolders };
  return store.addShared(shared, handles && { v: 1, ...share, handles }, signal);
}
