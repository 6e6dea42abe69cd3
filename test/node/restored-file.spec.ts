import assert from 'node:assert/strict';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import type { CID } from 'multiformats/cid';
import type { Shoal } from '../../src/index.ts';
import type { Discovery } from '../../src/node/discovery.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

/** When the file was last changed, seconds since 1970. */
const SHARED_SEC = 1_700_000_000;

describe('a shared file that is changed, and then brought back as it was', () => {
  it('is announced again', async () => {
    await using nodes = await TestNodes.create();
    const path = nodes.path('file');
    const bytes = pseudoRandomBytes(600_000);
    await writeFile(path, bytes);
    await utimes(path, SHARED_SEC, SHARED_SEC);
    const a = await nodes.start();
    const { cid, link } = await a.share(path);
    const announced = watchAnnouncements(a, cid);
    await writeFile(path, pseudoRandomBytes(600_000, 2));
    const told = new Promise((resolve) => a.addEventListener('asset:error', resolve));
    const b = await nodes.start();
    const asset = await b.open(link);
    await assert.rejects(asset.save(nodes.path('copy'), { timeoutMs: 1000 }));
    await told;
    assert.deepEqual([...announced], []);
    await writeFile(path, bytes);
    await utimes(path, SHARED_SEC, SHARED_SEC);
    const c = await nodes.start();
    await (await c.open(link)).save(nodes.path('other-copy'));
    assert.deepEqual(await readFile(nodes.path('other-copy')), Buffer.from(bytes));
    assert.deepEqual([...announced], [cid]);
  });

  it('is announced again, and fetched to the end by who waits for it, where it was opened because a peer asked', async () => {
    await using nodes = await TestNodes.create();
    const path = nodes.path('file');
    const bytes = pseudoRandomBytes(4_000_000);
    await writeFile(path, bytes);
    await utimes(path, SHARED_SEC, SHARED_SEC);
    const options = { dataDir: nodes.path('data'), uploadBytesPerSec: 2_000_000 };
    const first = await nodes.start(options);
    const { cid } = await first.share(path);
    await first.close();
    const a = await nodes.start(options);
    await a.seed();
    const announced = watchAnnouncements(a, cid);
    const told = new Promise((resolve) => a.addEventListener('asset:error', resolve));
    const b = await nodes.start({ peers: a.addresses });
    const begun = new Promise((resolve) => b.addEventListener('asset:chunk', resolve, { once: true }));
    const saving = (await b.open(cid)).save(nodes.path('copy'));
    await begun;
    await writeFile(path, pseudoRandomBytes(4_000_000, 2));
    await told;
    assert.deepEqual([...announced], []);
    await writeFile(path, bytes);
    await utimes(path, SHARED_SEC, SHARED_SEC);
    await saving;
    assert.deepEqual(await readFile(nodes.path('copy')), Buffer.from(bytes));
    assert.deepEqual([...announced], [cid]);
  });
});

/** What a node that announces one asset announces from here on. */
function watchAnnouncements(node: Shoal, cid: string): Set<string> {
  const announced = new Set([cid]);
  const { discovery } = node as unknown as { discovery: Discovery };
  discovery.provide = (root: CID) => void announced.add(root.toString());
  discovery.unprovide = (root: CID) => void announced.delete(root.toString());
  return announced;
}
