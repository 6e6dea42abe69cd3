import { openStore } from '../../src/store/open-store.ts';
import { killAsset, putNodes, type KillKind } from './assets.ts';

// A process to be killed: downloads the asset that `killAsset` makes, a chunk after the other, and tells of each. Having told
// so many lines it begins nothing more, however late the signal comes; after the last chunk it goes on and finishes.
const [dataDir, target, kind, lines] = process.argv.slice(2) as [string, string, KillKind, string];

const asset = await killAsset(kind);
const store = await openStore(dataDir);
await putNodes(store, asset);
const stored = await store.startDownload(asset.root, { path: target });
let told = 0;
const tell = (line: string): void => {
  told++;
  process.stdout.write(`${line}\n`);
};
tell('ready');
const write = async (chunk: number): Promise<void> => {
  await stored.write(chunk, await asset.chunk(chunk));
  tell(String(chunk));
};
const pending = new Set<Promise<void>>();
for (let chunk = 0; chunk < asset.manifest.chunkCount; chunk++) {
  const writing: Promise<void> = write(chunk).finally(() => pending.delete(writing));
  pending.add(writing);
  if (pending.size >= 6) await Promise.race(pending);
  if (told >= Number(lines) && pending.size > 0) await held();
}
await Promise.all(pending);
await stored.finish();
process.stdout.write('finished\n');
await store.close();

/** Until the signal comes. */
function held(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 60_000));
}
