import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BundleSite } from './bundle-site.ts';
import { hashOf } from './chromium.ts';
import { only, save, saveUntil, shareFile, startNode, type DrivenPage } from './driven-page.ts';
import { Firefox, needFirefox } from './firefox.ts';
import { PageSite } from './page-site.ts';

declare global {
  /** Channels of WebRTC that were made. */
  var tries: number;
}

/**
 * WebRTC in Firefox needs a machine with an address other than loopback: it connects only from the address of its default
 * route (`MOZ_LOG=nicer:5` tells), also with `media.peerconnection.ice.loopback`, and from there not to loopback.
 */
const OWN_HOST = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address;

/** Where nodes listen, and how the page reaches them: over WebRTC where that is possible. */
const LISTEN = [`/ip4/${OWN_HOST ?? '127.0.0.1'}/tcp/0`];
const WAY = OWN_HOST === undefined ? 'ws' : 'webrtc-direct';

describe('a page in Firefox', function () {
  let site: BundleSite;
  let firefox: Firefox;
  let nodes: TestNodes;
  let page: DrivenPage;
  before(async function () {
    const path = needFirefox(this);
    site = await BundleSite.start();
    firefox = await Firefox.start(path);
  });
  after(async () => {
    await firefox?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    nodes = await TestNodes.create();
    page = await firefox.page(site.origin);
  });
  afterEach(async () => {
    await page.evaluate(async () => globalThis.node?.close(), undefined);
    await page.close();
    await nodes[Symbol.asyncDispose]();
  });

  for (const [index, way] of ['webrtc-direct', 'ws'].entries()) {
    it(`fetches a file from a node over ${way}, byte for byte`, async function () {
      if (way === 'webrtc-direct' && OWN_HOST === undefined) {
        process.stdout.write('      skipped: WebRTC in Firefox needs an address other than loopback\n');
        this.skip();
      }
      const bytes = pseudoRandomBytes(3_000_001, index + 1);
      const seed = await nodes.start({ web: true, listen: LISTEN });
      const { link } = await seed.share(bytes, { name: `${way}.bin` });
      await startNode(page);
      const got = await save(page, only(link, way));
      assert.equal(got.hash, hashOf(bytes));
      assert.deepEqual(got.sources, [{ peer: seed.id, bytes: bytes.byteLength }]);
    });
  }

  it('goes over WebSocket at once where the link leads to this machine alone, without a try of WebRTC', async () => {
    const bytes = pseudoRandomBytes(300_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes, { name: 'local.bin' });
    const names = (way: string) => link.split('&').filter((part) => part.includes(`/${way}/`)).length;
    assert.deepEqual([names('webrtc-direct'), names('ws')], [1, 1]);
    await startNode(page);
    await page.evaluate(async () => {
      globalThis.tries = 0;
      const make = Reflect.get(RTCPeerConnection.prototype, 'createDataChannel');
      RTCPeerConnection.prototype.createDataChannel = function (...channel) {
        globalThis.tries++;
        return make.apply(this, channel);
      };
    }, undefined);
    assert.equal((await save(page, link)).hash, hashOf(bytes));
    assert.equal(await page.evaluate(async () => globalThis.tries, undefined), 0);
  });

  it('of shoal web is connected to the node of this machine', async () => {
    const { id: peer, addresses } = await nodes.start({ web: true });
    await using site = await PageSite.start({ node: { network: 'test', peer, addresses } });
    const tab = await firefox.tab(site.url());
    await tab.evaluate(async () => {
      const status = document.getElementById('status-text');
      while (status?.textContent !== 'Connected to 1 peer')
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }, undefined);
    await tab.close();
  });

  it('keeps in its files what came before a reload, and goes on from there', async () => {
    const bytes = pseudoRandomBytes(6_000_000);
    const seed = await nodes.start({ web: true, uploadBytesPerSec: 3_000_000, listen: LISTEN });
    const { link } = await seed.share(bytes, { name: 'kept.bin' });
    assert.equal((await startNode(page)).kind, 'opfs');
    await saveUntil(page, link, 2_000_000);
    await page.load(site.origin);
    assert.equal((await startNode(page)).kind, 'opfs');
    const got = await save(page, link);
    assert.equal(got.hash, hashOf(bytes));
    const fetched = got.sources.reduce((sum, each) => sum + each.bytes, 0);
    assert.ok(fetched <= 4_000_000, `${fetched} bytes were fetched after the reload`);
  });

  it('shares a File with a node', async () => {
    const other = await nodes.start({ web: true, dht: false, listen: LISTEN });
    const peers = other.addresses.filter((address) => address.includes(`/${WAY}/`)).slice(0, 1);
    const { id } = await startNode(page, peers);
    const { link, hash } = await shareFile(page, 2_000_001);
    const saved = await (await other.open(link)).save(nodes.path('copy.bin'));
    assert.deepEqual(saved.sources, [{ peer: id, bytes: 2_000_001 }]);
    assert.equal(hashOf(await readFile(nodes.path('copy.bin'))), hash);
  });

  it('leaves its storage to one tab at a time: another one goes by memory, as a peer of its own', async () => {
    const second = await firefox.page(site.origin);
    const first = await startNode(page);
    const other = await startNode(second);
    assert.equal(first.kind, 'opfs');
    assert.equal(other.kind, 'memory');
    assert.notEqual(first.id, other.id);
    await second.evaluate(async () => globalThis.node.close(), undefined);
    await second.close();
  });
});
