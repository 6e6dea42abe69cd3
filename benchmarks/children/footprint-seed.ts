/**
 * Shares each file of a folder as an asset of its own, and serves them. Told `measure <ms>` it tells what it used in that
 * time. argv: folder, data folder.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createShoal } from 'shoal';
import { answerStop, tell } from './child.ts';

/** As many as there may be peers. */
const MAX_LINKS = 200;

const [folder = '', dataDir = ''] = process.argv.slice(2);
const shoal = await createShoal({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false });
const started = performance.now();
/** Of the first assets only: 10,000 links are 16 MB, which would count as the node's. */
const links: string[] = [];
for (const name of readdirSync(folder).sort()) {
  const { link } = await shoal.share(join(folder, name));
  if (links.length < MAX_LINKS) links.push(link);
}
const peers = new Set<string>();
shoal.addEventListener('peer:connect', (event) => peers.add(event.detail.peer));
shoal.addEventListener('peer:disconnect', (event) => peers.delete(event.detail.peer));
tell({ links, shareMs: performance.now() - started, address: shoal.addresses[0] });

createInterface({ input: process.stdin }).on('line', (line) => void measure(Number(line.split(' ')[1])));

async function measure(ms: number): Promise<void> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  await sleep(ms);
  const after = process.cpuUsage();
  const usedMs = (after.user + after.system - before.user - before.system) / 1000;
  tell({
    cpuShare: usedMs / (performance.now() - startedMs),
    cpuMs: (after.user + after.system) / 1000,
    rssBytes: process.memoryUsage.rss(),
    peers: peers.size,
  });
}
await answerStop(() => shoal.close());
