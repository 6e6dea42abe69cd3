import { join } from 'node:path';
import { NodeIndex } from '../../src/store/node-index.ts';
import { openStore } from '../../src/store/open-store.ts';
import { killAsset, putNodes, writeChunks } from './assets.ts';

// A process that kills itself while it changes the target of a download, when so many records have been written.
const [folder, kind, puts, target = join(folder, 'b')] = process.argv.slice(2) as [
  string,
  'file' | 'folder',
  string,
  string?,
];

const asset = await killAsset(kind);
const store = await openStore(join(folder, 'data'));
await putNodes(store, asset);
const stored = await store.startDownload(asset.root, { path: join(folder, 'a') });
await writeChunks(
  stored,
  asset,
  Array.from({ length: 60 }, (_, n) => n),
);
await stored.close();
const real = NodeIndex.prototype.putRecord;
let left = Number(puts);
NodeIndex.prototype.putRecord = async function (root, entry) {
  if (left-- === 0) process.kill(process.pid, 'SIGKILL');
  await real.call(this, root, entry);
};
await store.startDownload(asset.root, { path: target });
