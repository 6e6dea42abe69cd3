import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { Shoal } from '../../src/index.ts';
import type { ShoalNode } from '../../src/node/shoal-node.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

const PEERS = 8;
const BYTES = 200_000;

/** The neighbours of a node in the only swarm it is in. */
function neighbours(node: Shoal): readonly string[] {
  const [swarm] = (node as ShoalNode).shell.swarms();
  return swarm?.peers ?? [];
}

/** Nodes reached from the first one along the swarm's links. */
function reached(nodes: readonly Shoal[]): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const seen = new Set<string>();
  const queue = nodes.slice(0, 1).map(({ id }) => id);
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const node = byId.get(id);
    if (!node || seen.has(id)) continue;
    seen.add(id);
    queue.push(...neighbours(node));
  }
  return seen.size;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the graph of a swarm', () => {
  it('stays in one piece when any node is lost, though all knew only the origin and there is no DHT', async () => {
    await using nodes = await TestNodes.create();
    const path = nodes.path('original.bin');
    await writeFile(path, pseudoRandomBytes(BYTES));
    const origin = await nodes.start({ dht: false });
    const { link, cid } = await origin.share(path);
    const peers: Shoal[] = [];
    for (let i = 0; i < PEERS; i++) {
      const peer = await nodes.start({ dht: false });
      await (await peer.open(link)).save(nodes.path(`copy-${i}`));
      peers.push(peer);
    }
    await origin.close();
    await until(() => reached(peers) === PEERS);
    // Without any one of them too.
    await until(() => peers.every((lost) => reached(peers.filter((peer) => peer !== lost)) === PEERS - 1));

    const [first] = peers;
    const joiner = await nodes.start({ dht: false, peers: [first?.addresses[0] ?? ''] });
    const asset = await joiner.open(cid);
    const saving = asset.save(nodes.path('joined'));
    await until(() => neighbours(joiner).length >= 3);
    assert.equal((await saving).bytes, BYTES);
  });
});
