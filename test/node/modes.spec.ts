import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import type { Shoal } from '../../src/index.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

const MIB = 1024 * 1024;

describe('limits and modes of a node', () => {
  let nodes: TestNodes;
  beforeEach(async () => {
    nodes = await TestNodes.create();
  });
  afterEach(async () => {
    await nodes[Symbol.asyncDispose]();
  });

  async function shared(shoal: Shoal, content: Uint8Array): Promise<string> {
    const path = nodes.path('file.bin');
    await writeFile(path, content);
    return (await shoal.share(path)).link;
  }

  async function timeToSave(shoal: Shoal, link: string, name: string): Promise<number> {
    const asset = await shoal.open(link);
    return (await asset.save(nodes.path(name))).durationMs;
  }

  it('keeps the limit of an asset that was set before anybody asked for it', async () => {
    const a = await nodes.start();
    const link = await shared(a, pseudoRandomBytes(2 * MIB));
    const cid = /bafy?[a-z2-7]+/.exec(link)![0];
    a.setAssetLimits(cid, { uploadBytesPerSec: 2 * MIB });
    const b = await nodes.start();
    // What is saved up, 0.3 s of it, and one chunk come at once.
    const took = await timeToSave(b, link, 'copy');
    assert.ok(took > 600, `2 MiB came in ${took} ms at 2 MiB a second`);
    assert.throws(() => a.setAssetLimits(cid, { uploadBytesPerSec: 0 }), { code: 'ERR_LIMIT' });
    assert.throws(() => a.setAssetLimits('nonsense', {}), { code: 'ERR_INVALID_CID' });
  });

  it('keeps the limit of each peer, either way', async () => {
    const a = await nodes.start({ perPeer: { uploadBytesPerSec: 2 * MIB } });
    const link = await shared(a, pseudoRandomBytes(2 * MIB));
    const b = await nodes.start();
    const up = await timeToSave(b, link, 'copy');
    assert.ok(up > 600, `2 MiB came in ${up} ms at 2 MiB a second`);
    a.setLimits({});
    const c = await nodes.start({ perPeer: { downloadBytesPerSec: MIB } });
    await b.close();
    const down = await timeToSave(c, link, 'second');
    assert.ok(down > 1400, `2 MiB came in ${down} ms at 1 MiB a second`);
    assert.throws(() => a.setLimits({ perPeer: { uploadBytesPerSec: -1 } }), { code: 'ERR_LIMIT' });
  });

  it('lets others serve what it offloads', async () => {
    const a = await nodes.start({ offload: true });
    const content = pseudoRandomBytes(4 * MIB);
    const link = await shared(a, content);
    let sent = 0;
    a.addEventListener('asset:upload', ({ detail }) => (sent += detail.bytes));
    const b = await nodes.start({ fleet: true });
    const c = await nodes.start({ fleet: true });
    await timeToSave(b, link, 'first');
    await timeToSave(c, link, 'second');
    assert.deepEqual(await readFile(nodes.path('second')), Buffer.from(content));
    await a.close();
    assert.ok(sent <= 1.1 * 4 * MIB, `the origin sent ${sent / MIB} MiB of 4`);
  });
});
