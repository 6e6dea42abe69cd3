/**
 * Nodes that each fetch one asset of a seed, then stay connected to it. argv: folder for their data, address of the seed,
 * links (one node each).
 */
import { join } from 'node:path';
import { createShoal, type Shoal } from 'shoal';
import { answerStop, tell } from './child.ts';

const [folder = '', address = '', ...links] = process.argv.slice(2);
const nodes: Shoal[] = [];
// A hundred nodes that start on one machine have little time each.
const patient = { timeoutMs: 300_000 };
for (const [i, link] of links.entries()) {
  const dataDir = join(folder, `peer-${i}`);
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const node = await createShoal({ dataDir, listen, mdns: false, peers: [address] });
  nodes.push(node);
  await (await node.open(link, patient)).save(join(folder, `copy-${i}`), patient);
}
tell({ ready: nodes.length });
await answerStop(async () => void (await Promise.all(nodes.map((node) => node.close()))));
