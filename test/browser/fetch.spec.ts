import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { webSockets } from '@libp2p/websockets';
import type { Page } from 'playwright-core';
import type { PageShoal } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { formatLink } from '../../src/node/link.ts';
import { SwarmNode } from '../integration/swarm-node.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { bytesOf, fileOf } from '../swarm/shell/memory-asset.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
}

const NETWORK = 'test';

/** A link that names the addresses of one way alone. */
function only(link: string, way: string): string {
  const [cid = '', query = ''] = link.split('?');
  const parts = query.split('&').filter((part) => !part.startsWith('a=') || part.includes(way));
  return `${cid}?${parts.join('&')}`;
}

/** Saves what the link names, in the page. @returns what came, by its hash, and from whom */
async function save(page: Page, link: string, path?: string) {
  return page.evaluate(
    async ([link, network, path]) => {
      await using node = await shoal.createShoal({ network });
      const asset = await node.open(link ?? '');
      const progress: shoalOfPage.Progress[] = [];
      const { blob, bytes, sources } = await asset.save({
        path,
        onProgress: (each) => progress.push(each),
      });
      const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      return { hash, bytes, sources, name: asset.name, last: progress.at(-1) };
    },
    [link, NETWORK, path],
  );
}

/** The code and message of the error that opening a link ends in, in the page. */
async function failure(
  page: Page,
  link: string,
  options: shoalOfPage.PageShoalOptions = {},
  timeoutMs?: number,
) {
  return page.evaluate(
    async ([link, options, timeoutMs]) => {
      try {
        await using node = await shoal.createShoal(options);
        const asset = await node.open(link, { timeoutMs });
        await asset.save();
        return { code: 'none', message: '' };
      } catch (error) {
        const { code, message } = error as shoalOfPage.ShoalError;
        return { code, message };
      }
    },
    [link, { network: NETWORK, ...options }, timeoutMs] as const,
  );
}

describe('a page in Chromium', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  after(() => rig?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    nodes = await TestNodes.create();
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  for (const way of ['webrtc-direct', 'ws']) {
    it(`fetches a file from a node over ${way}, byte for byte`, async () => {
      const bytes = pseudoRandomBytes(5_000_001);
      await writeFile(nodes.path('a.bin'), bytes);
      const seed = await nodes.start({ web: true });
      const { link } = await seed.share(nodes.path('a.bin'));
      const got = await save(await rig.page(), only(link, `/${way}/`));
      assert.equal(got.hash, hashOf(bytes));
      assert.equal(got.bytes, bytes.byteLength);
      assert.equal(got.last?.bytes, bytes.byteLength);
      assert.equal(got.name, 'a.bin');
      assert.deepEqual(got.sources, [{ peer: seed.id, bytes: bytes.byteLength }]);
    });
  }

  it('fetches from a node over webrtc-direct with what it loaded first, where nothing more comes', async () => {
    const bytes = pseudoRandomBytes(3_000_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const page = await rig.page();
    await page.route('**/chunks/**', (route) => route.abort());
    assert.equal((await save(page, only(link, '/webrtc-direct/'))).hash, hashOf(bytes));
  });

  it('fetches in a browser that knows neither Ed25519 nor X25519, by script', async () => {
    const bytes = pseudoRandomBytes(300_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const before = (): void => {
      const { subtle } = crypto;
      const isCurve = (algorithm: unknown): boolean =>
        /25519/.test(String((algorithm as { name?: string }).name ?? algorithm));
      for (const name of ['generateKey', 'importKey'] as const) {
        const known = subtle[name].bind(subtle) as (...all: unknown[]) => Promise<never>;
        const refusing = (...all: unknown[]): Promise<never> =>
          all.some(isCurve) ? Promise.reject(new Error('no such curve')) : known(...all);
        Object.assign(subtle, { [name]: refusing });
      }
    };
    assert.equal((await save(await rig.page({ before }), only(link, '/webrtc-direct/'))).hash, hashOf(bytes));
  });

  it('says that the link is out of date where the node has another certificate now', async () => {
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(1000));
    const other = `/certhash/u${Buffer.from([0x12, 0x20, ...sha256(pseudoRandomBytes(8))]).toString('base64url')}`;
    const old = only(link, '/webrtc-direct/').replace(/\/certhash\/[^/&]+/g, other);
    const { code, message } = await failure(await rig.page(), old, {}, 6000);
    assert.equal(code, 'ERR_NO_PROVIDERS');
    assert.match(message, /the link leads to a node with a new certificate now: ask for a new one/);
  });

  it('takes what it can use from a link as it is', async () => {
    const bytes = pseudoRandomBytes(300_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes, { name: 'b.bin' });
    assert.equal((await save(await rig.page(), link)).hash, hashOf(bytes));
  });

  it('lists a directory, saves one of its files, and streams a range of another', async () => {
    const bytes = pseudoRandomBytes(700_000);
    await mkdir(nodes.path('folder', 'sub'), { recursive: true });
    await writeFile(nodes.path('folder', 'a.bin'), bytes);
    await writeFile(nodes.path('folder', 'sub', 'tiny.txt'), 'one leaf');
    await writeFile(nodes.path('folder', 'empty'), '');
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await rig.page();
    const { hash, last } = await save(page, link, 'a.bin');
    assert.equal(hash, hashOf(bytes));
    const done = { bytes: 700_000, total: 700_000, phase: 'done' };
    assert.deepEqual({ bytes: last?.bytes, total: last?.total, phase: last?.phase }, done);
    const seen = await page.evaluate(
      async ([link, network]) => {
        await using node = await shoal.createShoal({ network });
        const asset = await node.open(link ?? '');
        const paths: string[] = [];
        for await (const { path } of asset.entries()) paths.push(path);
        const range = await asset.bytes({ path: 'a.bin', offset: 300_000, length: 1000 });
        const { blob } = await asset.save({ path: 'sub/tiny.txt', type: 'text/plain' });
        const empty = await asset.save({ path: 'empty' });
        return {
          paths,
          range: [...range],
          text: await blob.text(),
          type: blob.type,
          empty: empty.blob.size,
        };
      },
      [link, NETWORK],
    );
    assert.deepEqual(seen.paths, ['a.bin', 'empty', 'sub', 'sub/tiny.txt']);
    assert.deepEqual(seen.range, [...bytes.subarray(300_000, 301_000)]);
    assert.equal(seen.text, 'one leaf');
    assert.equal(seen.type, 'text/plain');
    assert.equal(seen.empty, 0);
  });

  it('serves what it has to another page’s node, so that it is a peer and no leech', async () => {
    const bytes = pseudoRandomBytes(2_000_000);
    const seed = await nodes.start({ web: true });
    const { link, cid } = await seed.share(bytes);
    const page = await rig.page();
    await page.evaluate(
      async ([link, network]) => {
        globalThis.node = await shoal.createShoal({ network });
        const asset = await globalThis.node.open(link ?? '');
        await asset.save();
      },
      [link, NETWORK],
    );
    // Another node that pages can reach, which knows the page alone: the page dials it.
    const other = await nodes.start({ web: true, dht: false });
    const address = other.addresses.find((each) => each.includes('/ws/')) ?? '';
    await page.evaluate((address) => globalThis.node.connect(address), address);
    const opened = await other.open(cid);
    const saved = await opened.save(nodes.path('copy.bin'));
    const pageId = await page.evaluate(() => globalThis.node.id);
    assert.equal(saved.bytes, bytes.byteLength);
    assert.ok(saved.sources.some(({ peer }) => peer === pageId));
    await page.evaluate(() => globalThis.node.close());
  });

  it('cuts off and names a node that lies, and finishes from another', async () => {
    const file = await fileOf(bytesOf(2 << 20));
    await using liar = await SwarmNode.start({
      listen: ['/ip4/127.0.0.1/tcp/0/ws'],
      transport: webSockets(),
    });
    liar.keep(file);
    const lies = liar.share(file);
    for (let chunk = 0; chunk < file.manifest.chunkCount; chunk++) lies.corrupt.add(chunk);
    const page = await rig.page();
    const link = formatLink(file.root, undefined, liar.libp2p.getMultiaddrs().map(String));
    const cutOff = await page.evaluate(
      async ([link, network]) => {
        globalThis.node = await shoal.createShoal({ network });
        const told = new Promise<{ peer: string; code: string }>((resolve) =>
          globalThis.node.addEventListener('peer:misbehaved', ({ detail }) => resolve(detail), {
            once: true,
          }),
        );
        const asset = await globalThis.node.open(link ?? '');
        Object.assign(globalThis, { saving: asset.save() });
        const { peer, code } = await told;
        return { peer, code };
      },
      [link, NETWORK],
    );
    assert.deepEqual(cutOff, { peer: liar.id, code: 'ERR_PEER_BAD_CHUNK' });
    const kept = await page.evaluate(async () => {
      const { kind } = await globalThis.node.storage();
      const [asset] = await Array.fromAsync(globalThis.node.list());
      return { kind, bytesHere: asset?.bytesHere };
    });
    // None of the lies has come so far as the page's files.
    assert.deepEqual(kept, { kind: 'opfs', bytesHere: 0 });
    await using honest = await SwarmNode.start({
      listen: ['/ip4/127.0.0.1/tcp/0/ws'],
      transport: webSockets(),
    });
    honest.keep(file);
    honest.share(file);
    const got = await page.evaluate(async (address) => {
      await globalThis.node.connect(address);
      const { saving } = globalThis as unknown as { saving: Promise<shoalOfPage.SavedBlob> };
      const { blob, sources } = await saving;
      await globalThis.node.close();
      const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      return { hash: [...new Uint8Array(digest)], sources: sources.map(({ peer }) => peer) };
    }, honest.libp2p.getMultiaddrs()[0]?.toString() ?? '');
    assert.equal(Buffer.from(got.hash).toString('hex'), hashOf(file.content));
    assert.deepEqual(got.sources, [honest.id]);
  });

  it('says what is missing where a link has no address for pages, or none at all', async () => {
    const seed = await nodes.start();
    const { link, cid } = await seed.share(pseudoRandomBytes(1000));
    const page = await rig.page();
    const none = await failure(page, link);
    assert.equal(none.code, 'ERR_NO_BROWSER_ADDRESS');
    assert.match(none.message, /webrtc-direct.*shoal share/);
    assert.equal((await failure(page, cid)).code, 'ERR_NO_BROWSER_ADDRESS');
    assert.equal(
      (await failure(page, link, { peers: ['/ip4/127.0.0.1/tcp/1'] })).code,
      'ERR_NO_BROWSER_ADDRESS',
    );
  });

  it('says so where the browser has no WebRTC, and goes over WebSocket where the link has it', async () => {
    const bytes = pseudoRandomBytes(100_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const page = await rig.page({ before: () => Reflect.deleteProperty(globalThis, 'RTCPeerConnection') });
    const { code, message } = await failure(page, only(link, '/webrtc-direct/'));
    assert.equal(code, 'ERR_NO_BROWSER_ADDRESS');
    assert.match(message, /no WebRTC/);
    assert.equal((await save(page, link)).hash, hashOf(bytes));
  });

  it('says so on a page that came over plain http', async () => {
    const { code, message } = await failure(await rig.page({ host: 'plain.test' }), 'bafkqaaa');
    assert.equal(code, 'ERR_INSECURE_CONTEXT');
    assert.match(message, /https/);
  });

  it('keeps no more than it was allowed to, and says so before it fetches', async () => {
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(600_000));
    const { code, message } = await failure(await rig.page(), link, {
      storage: 'memory',
      memoryBytes: 500_000,
    });
    assert.equal(code, 'ERR_NO_SPACE');
    assert.match(message, /memoryBytes/);
  });

  it('gives up where nobody answers, and tells what it tried, and what helps in a page', async () => {
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(1000));
    await seed.close();
    const page = await rig.page();
    const tried = await page.evaluate(
      async ([link, network]) => {
        await using node = await shoal.createShoal({ network });
        try {
          await node.open(link ?? '', { timeoutMs: 1500 });
          return undefined;
        } catch (error) {
          const { code, message, tried } = error as shoalOfPage.ShoalError;
          const told = [message, ...(tried ?? []).map(({ text }) => text)];
          return { code, told, link: tried?.find(({ way }) => way === 'link') };
        }
      },
      [only(link, '/ws/'), NETWORK],
    );
    assert.equal(tried?.code, 'ERR_NO_PROVIDERS');
    assert.equal(tried?.link?.reached, 0);
    assert.equal(tried?.link?.tried, 1);
    assert.match(tried?.told[0] ?? '', /ask for a new one/);
    assert.deepEqual(
      tried?.told.filter((text) => text.includes('--')),
      [],
      'options of the command line',
    );
  });
});
