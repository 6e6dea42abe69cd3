import assert from 'node:assert/strict';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import type { CID } from 'multiformats/cid';
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
    const announced = new Set([cid]);
    const { discovery } = a as unknown as { discovery: Discovery };
    discovery.provide = (root: CID) => void announced.add(root.toString());
    discovery.unprovide = (root: CID) => void announced.delete(root.toString());
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
});
