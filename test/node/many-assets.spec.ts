import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
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

describe('a node that shares more than stays open', () => {
  it('has what a peer asked for before it was shared, and what nobody did', async () => {
    await using nodes = await TestNodes.create();
    const a = await nodes.start();
    const b = await nodes.start();
    const other = await nodes.start();
    for (let i = 0; i < 260; i++) await a.share(pseudoRandomBytes(1000, i + 1));
    await b.connect(a.addresses[0] ?? '');
    const [awaited, unasked] = [pseudoRandomBytes(200_000, 1001), pseudoRandomBytes(200_000, 1002)];
    const { cid } = await other.share(awaited);
    const opening = b.open(cid);
    // The peer names it, and is told that it is not here.
    await assert.rejects(b.open(cid, { timeoutMs: 300 }), { code: 'ERR_NO_PROVIDERS' });
    await a.share(awaited);
    await (await opening).save(nodes.path('awaited'));
    const { link } = await a.share(unasked);
    await (await b.open(link)).save(nodes.path('unasked'));
    assert.deepEqual(await readFile(nodes.path('awaited')), Buffer.from(awaited));
    assert.deepEqual(await readFile(nodes.path('unasked')), Buffer.from(unasked));
  });
});
