/**
 * Fetches a link to a path, verified and on disk, and tells how long it took. argv: link, path, data folder, `wait` to
 * begin at the parent's word.
 */
import { once } from 'node:events';
import { createShoal } from 'shoal';
import { answerStop, isReady, tell } from './child.ts';

const [link = '', path = '', dataDir = '', wait] = process.argv.slice(2);
const shoal = await createShoal({ dataDir, listen: [], mdns: false, dht: false });
if (wait === 'wait') {
  tell({ ready: true });
  await once(process.stdin, 'data');
}
isReady();
const started = performance.now();
const asset = await shoal.open(link);
const saved = await asset.save(path);
tell({ ms: performance.now() - started, bytes: saved.bytes });
await answerStop(() => shoal.close());
