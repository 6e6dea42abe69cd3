import assert from 'node:assert/strict';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

/** More than a peer lets wait for an answer at once. */
const ASSETS = 300;

describe('a node that opens hundreds of assets at once', () => {
  it('gets all of them from one peer, and is not taken for a flood', async () => {
    await using nodes = await TestNodes.create();
    const a = await nodes.start();
    const b = await nodes.start();
    const misbehaved: string[] = [];
    for (const node of [a, b]) {
      node.addEventListener('peer:misbehaved', ({ detail }) => misbehaved.push(detail.code));
    }
    const links: string[] = [];
    for (let i = 0; i < ASSETS; i++) links.push((await a.share(pseudoRandomBytes(1000, i + 1))).link);
    await b.connect(a.addresses[0] ?? '');
    const assets = await Promise.all(links.map((link) => b.open(link)));
    await Promise.all(assets.map((asset, i) => asset.save(nodes.path(`copy-${i}`))));
    assert.deepEqual(misbehaved, []);
  });
});
