import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import { putNodes, writeChunks, type RemoteAsset } from './assets.ts';

/** An interrupted download: where its data folder, its target and its partial are. */
export async function interrupted(base: string, asset: RemoteAsset, chunks: number[]) {
  const [dataDir, target] = [join(base, 'data'), join(base, 'target')];
  await using store = await openStore(dataDir);
  await putNodes(store, asset);
  const stored = await store.startDownload(asset.root, { path: target });
  await writeChunks(stored, asset, chunks);
  await stored.close();
  const name = (await readdir(base)).find((name) => name.endsWith('.shoal-part'))!;
  return {
    dataDir,
    target,
    partial: join(base, name),
    bitmap: join(dataDir, 'partials', `${asset.root.toString()}.bits`),
  };
}
