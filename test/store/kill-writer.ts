import { openStore } from '../../src/store/open-store.ts';
import { killAsset, putNodes } from './assets.ts';

// A process to be killed: downloads the asset that `killAsset` makes, a chunk after the other, and tells of each.
const [dataDir, target, kind] = process.argv.slice(2) as [string, string, 'file' | 'folder'];

const asset = await killAsset(kind);
const store = await openStore(dataDir);
await putNodes(store, asset);
const stored = await store.startDownload(asset.root, { path: target });
process.stdout.write('ready\n');
const write = async (chunk: number): Promise<void> => {
  await stored.write(chunk, await asset.chunk(chunk));
  process.stdout.write(`${chunk}\n`);
};
const pending = new Set<Promise<void>>();
for (let chunk = 0; chunk < asset.manifest.chunkCount; chunk++) {
  const writing: Promise<void> = write(chunk).finally(() => pending.delete(writing));
  pending.add(writing);
  if (pending.size >= 6) await Promise.race(pending);
}
await Promise.all(pending);
await stored.finish();
process.stdout.write('finished\n');
await store.close();
