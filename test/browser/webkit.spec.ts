import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type * as shoalOfPage from '../../src/browser.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BundleSite } from './bundle-site.ts';
import { hashOf } from './chromium.ts';
import { only, save, saveUntil, shareFile, startNode, type DrivenPage } from './driven-page.ts';
import { needWebKit, WebKit } from './webkit.ts';

/** What test/browser/webkit.ts puts into the page. */
declare const shoal: typeof shoalOfPage;

/**
 * As Debian builds it this WebKit has no WebRTC, and no files of a site (OPFS) either: they are an unfinished feature there,
 * and when it is switched on, they are refused to a browser that is driven, whose windows are private ones.
 */
describe('a page in WebKit', function () {
  let site: BundleSite;
  let path: string;
  let webKit: WebKit;
  let nodes: TestNodes;
  let page: DrivenPage;
  before(async function () {
    path = needWebKit(this);
    site = await BundleSite.start();
    webKit = await WebKit.start(path);
  });
  after(async () => {
    await webKit?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    nodes = await TestNodes.create();
    page = await webKit.page(site.origin);
  });
  afterEach(async () => {
    await page.evaluate(async () => globalThis.node?.close(), undefined);
    await page.close();
    await nodes[Symbol.asyncDispose]();
  });

  it('fetches a file from a node over WebSocket, byte for byte', async () => {
    const bytes = pseudoRandomBytes(3_000_001);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes, { name: 'a.bin' });
    await startNode(page);
    const got = await save(page, link);
    assert.equal(got.hash, hashOf(bytes));
    assert.deepEqual(got.sources, [{ peer: seed.id, bytes: bytes.byteLength }]);
  });

  it('says so where a link can be opened over WebRTC alone', async () => {
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(1000));
    await startNode(page);
    const told = await page.evaluate(
      (link) =>
        globalThis.node.open(link).then(
          () => undefined,
          ({ code, message }: shoalOfPage.ShoalError) => ({ code, message }),
        ),
      only(link, 'webrtc-direct'),
    );
    assert.equal(told?.code, 'ERR_NO_BROWSER_ADDRESS');
    assert.match(told.message, /no WebRTC/);
  });

  it('keeps in IndexedDB what came before a reload, and goes on from there', async () => {
    const bytes = pseudoRandomBytes(6_000_000);
    const seed = await nodes.start({ web: true, uploadBytesPerSec: 3_000_000 });
    const { link } = await seed.share(bytes, { name: 'kept.bin' });
    assert.equal((await startNode(page)).kind, 'indexeddb');
    await saveUntil(page, link, 2_000_000);
    await page.load(site.origin);
    assert.equal((await startNode(page)).kind, 'indexeddb');
    const got = await save(page, link);
    assert.equal(got.hash, hashOf(bytes));
    const fetched = got.sources.reduce((sum, each) => sum + each.bytes, 0);
    assert.ok(fetched <= 4_000_000, `${fetched} bytes were fetched after the reload`);
  });

  it('shares a File with a node', async () => {
    const other = await nodes.start({ web: true, dht: false });
    const peers = other.addresses.filter((address) => address.includes('/ws/')).slice(0, 1);
    const { id } = await startNode(page, peers);
    const { link, hash } = await shareFile(page, 2_000_001);
    const saved = await (await other.open(link)).save(nodes.path('copy.bin'));
    assert.deepEqual(saved.sources, [{ peer: id, bytes: 2_000_001 }]);
    assert.equal(hashOf(await readFile(nodes.path('copy.bin'))), hash);
  });

  it('answers for media by a service worker: a part of a file, by its address', async () => {
    const bytes = pseudoRandomBytes(900_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes, { name: 'part.bin' });
    await startNode(page);
    const got = await page.evaluate(async (link) => {
      const media = await shoal.serveMedia(globalThis.node);
      const asset = await globalThis.node.open(link);
      const answer = await fetch(media.url(asset), { headers: { range: 'bytes=500000-500999' } });
      const part = [...new Uint8Array(await answer.arrayBuffer())];
      await media.close();
      return { status: answer.status, part };
    }, link);
    assert.deepEqual(got, { status: 206, part: [...bytes.subarray(500_000, 501_000)] });
  });

  it('leaves its storage to one tab at a time: another one goes by memory, as a peer of its own', async () => {
    const second = await webKit.page(site.origin);
    const first = await startNode(page);
    const other = await startNode(second);
    assert.deepEqual([first.kind, other.kind], ['indexeddb', 'memory']);
    assert.notEqual(first.id, other.id);
    await second.evaluate(async () => globalThis.node.close(), undefined);
    await second.close();
  });

  it('goes by IndexedDB, and tells why, where there are files and a private window is refused them', async () => {
    await using other = await WebKit.start(path, ['StorageAPI', 'FileSystem', 'AccessHandle']);
    const hidden = await other.page(site.origin);
    const hasFiles = await hidden.evaluate(async () => 'getDirectory' in navigator.storage, undefined);
    assert.ok(hasFiles);
    const { kind, why } = await startNode(hidden);
    assert.equal(kind, 'indexeddb');
    assert.match(why ?? '', /\w/);
    await hidden.evaluate(async () => globalThis.node.close(), undefined);
  });
});
