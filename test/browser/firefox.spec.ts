import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { PageShoal, SavedBlob } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BundleSite } from './bundle-site.ts';
import { hashOf } from './chromium.ts';
import { Firefox, needFirefox, type FirefoxPage } from './firefox.ts';

/** What test/browser/firefox.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  var saving: Promise<SavedBlob>;
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

/** Starts the page's node, as `node` in the page. @returns where it keeps what it fetches */
function start(page: FirefoxPage, peers: string[] = []) {
  return page.evaluate(async (peers) => {
    globalThis.node = await shoal.createShoal({ network: 'test', peers });
    const { kind } = await globalThis.node.storage();
    return { kind, id: globalThis.node.id };
  }, peers);
}

/** Saves what the link names. @returns what came by its hash, and from whom */
function save(page: FirefoxPage, link: string) {
  return page.evaluate(async (link) => {
    const { blob, sources } = await (await globalThis.node.open(link)).save();
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
    const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { hash, sources };
  }, link);
}

describe('a page in Firefox', function () {
  let site: BundleSite;
  let firefox: Firefox;
  let nodes: TestNodes;
  let page: FirefoxPage;
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
      const parts = link.split('&').filter((part) => !part.startsWith('a=') || part.includes(`/${way}/`));
      await start(page);
      const got = await save(page, parts.join('&'));
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
    await start(page);
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

  it('keeps in its files what came before a reload, and goes on from there', async () => {
    const bytes = pseudoRandomBytes(6_000_000);
    const seed = await nodes.start({ web: true, uploadBytesPerSec: 3_000_000, listen: LISTEN });
    const { link } = await seed.share(bytes, { name: 'kept.bin' });
    assert.equal((await start(page)).kind, 'opfs');
    await page.evaluate(async (link) => {
      const asset = await globalThis.node.open(link);
      await new Promise<void>((resolve, reject) => {
        globalThis.saving = asset.save({ onProgress: (each) => each.bytes >= 2_000_000 && resolve() });
        globalThis.saving.catch(reject);
      });
    }, link);
    await page.load(site.origin);
    assert.equal((await start(page)).kind, 'opfs');
    const got = await save(page, link);
    assert.equal(got.hash, hashOf(bytes));
    const fetched = got.sources.reduce((sum, each) => sum + each.bytes, 0);
    assert.ok(fetched <= 4_000_000, `${fetched} bytes were fetched after the reload`);
  });

  it('shares a File with a node', async () => {
    const other = await nodes.start({ web: true, dht: false, listen: LISTEN });
    const peers = other.addresses.filter((address) => address.includes(`/${WAY}/`)).slice(0, 1);
    const { id } = await start(page, peers);
    const { link, hash } = await page.evaluate(async () => {
      const bytes = new Uint8Array(2_000_001);
      const most = 65_536; // that browsers give at once
      for (let at = 0; at < bytes.length; at += most) crypto.getRandomValues(bytes.subarray(at, at + most));
      const { link } = await globalThis.node.share(new File([bytes], 'mine.bin'));
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return { link, hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') };
    }, undefined);
    const saved = await (await other.open(link)).save(nodes.path('copy.bin'));
    assert.deepEqual(saved.sources, [{ peer: id, bytes: 2_000_001 }]);
    assert.equal(hashOf(await readFile(nodes.path('copy.bin'))), hash);
  });

  it('leaves its storage to one tab at a time: another one goes by memory, as a peer of its own', async () => {
    const second = await firefox.page(site.origin);
    const first = await start(page);
    const other = await start(second);
    assert.equal(first.kind, 'opfs');
    assert.equal(other.kind, 'memory');
    assert.notEqual(first.id, other.id);
    await second.evaluate(async () => globalThis.node.close(), undefined);
    await second.close();
  });
});
