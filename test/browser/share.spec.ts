import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type { PageShoal } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import type { Shoal } from '../../src/index.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
}

/** What Shoal's bundle does not declare: the input that a person chooses files with. */
const INPUT = '<input type="file" multiple>';

/** Starts a node in the page that stays connected to `peer`. */
async function start(page: Page, peer?: Shoal): Promise<string> {
  const peers = peer?.addresses.filter((address) => address.includes('/webrtc-direct/')).slice(0, 1) ?? [];
  return page.evaluate(async (peers) => {
    globalThis.node = await shoal.createShoal({ network: 'test', peers });
    return globalThis.node.id;
  }, peers as string[]);
}

/** Has a person choose files of this machine, and shares them. */
async function shareChosen(page: Page, paths: string[], input = INPUT) {
  await page.evaluate((html) => (document.body.innerHTML = html), input);
  await page.locator('input').setInputFiles(paths);
  return page.evaluate(async () => {
    const { files } = document.querySelector('input') as HTMLInputElement;
    const seen: number[] = [];
    const asset = await globalThis.node.share(files as FileList, {
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    const { cid, link, name, type, size } = asset;
    return { cid, link, name, type, size, hashed: seen.at(-1) };
  });
}

describe('what a page shares', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  let other: Shoal;
  let page: Page;
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  after(() => rig?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    nodes = await TestNodes.create();
    other = await nodes.start({ web: true, dht: false });
    page = await rig.page();
  });
  afterEach(async () => {
    await page?.evaluate(() => globalThis.node?.close());
    await nodes[Symbol.asyncDispose]();
  });

  it('is a file that a node fetches from it, with the CID that `shoal share` gives', async () => {
    const bytes = pseudoRandomBytes(5_000_001);
    await writeFile(nodes.path('a.bin'), bytes);
    const id = await start(page, other);
    const shared = await shareChosen(page, [nodes.path('a.bin')]);
    const { cid } = await (await nodes.start()).share(nodes.path('a.bin'));
    const { link: _link, ...rest } = shared;
    assert.deepEqual(rest, { cid, name: 'a.bin', type: 'file', size: 5_000_001, hashed: 5_000_001 });
    assert.match(shared.link, new RegExp(`^shoal:${cid}\\?n=a.bin`));
    const asset = await other.open(shared.link);
    const saved = await asset.save(nodes.path('copy.bin'));
    assert.deepEqual(saved.sources, [{ peer: id, bytes: bytes.byteLength }]);
    assert.equal(hashOf(await readFile(nodes.path('copy.bin'))), hashOf(bytes));
  });

  it('is a file that another page fetches by its link alone, from the page itself', async () => {
    const bytes = pseudoRandomBytes(2_000_001);
    await writeFile(nodes.path('a.bin'), bytes);
    // The node relays, and has nothing of the file.
    const id = await start(page, other);
    await page.evaluate(async () => {
      while (globalThis.node.addresses.length === 0) {
        await new Promise((resolve) =>
          globalThis.node.addEventListener('addresses:change', resolve, { once: true }),
        );
      }
    });
    const { link } = await shareChosen(page, [nodes.path('a.bin')]);
    assert.match(decodeURIComponent(link), new RegExp(`/webrtc/p2p/${id}`));
    const second = await rig.page();
    const got = await second.evaluate(async (link) => {
      await using node = await shoal.createShoal({ network: 'test' });
      const asset = await node.open(link);
      const { blob, sources } = await asset.save();
      const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      return { name: asset.name, digest: [...new Uint8Array(digest)], sources };
    }, link);
    assert.equal(got.name, 'a.bin');
    assert.equal(Buffer.from(got.digest).toString('hex'), hashOf(bytes));
    assert.deepEqual(got.sources, [{ peer: id, bytes: bytes.byteLength }]);
  });

  it('is a folder, with the CID that `shoal share` gives', async () => {
    await mkdir(nodes.path('folder', 'sub'), { recursive: true });
    const bytes = pseudoRandomBytes(700_000);
    await writeFile(nodes.path('folder', 'a.bin'), bytes);
    await writeFile(nodes.path('folder', 'sub', 'tiny.txt'), 'one leaf');
    await writeFile(nodes.path('folder', 'sub', 'again.bin'), bytes);
    await writeFile(nodes.path('folder', 'empty'), '');
    await start(page, other);
    const shared = await shareChosen(page, [nodes.path('folder')], '<input type="file" webkitdirectory>');
    const { cid } = await (await nodes.start()).share(nodes.path('folder'));
    assert.equal(shared.cid, cid);
    assert.equal(shared.name, 'folder');
    await (await other.open(shared.link)).save(nodes.path('copy'));
    assert.equal(hashOf(await readFile(nodes.path('copy', 'sub', 'again.bin'))), hashOf(bytes));
    assert.equal(await readFile(nodes.path('copy', 'sub', 'tiny.txt'), 'utf8'), 'one leaf');
    assert.equal((await readFile(nodes.path('copy', 'empty'))).byteLength, 0);
  });

  it('is bytes, a Blob, or files with paths, empty ones and tiny ones too', async () => {
    const seed = await nodes.start();
    const contents = {
      empty: new Uint8Array(0),
      tiny: pseudoRandomBytes(10),
      large: pseudoRandomBytes(300_000),
    };
    await start(page, other);
    for (const bytes of Object.values(contents)) {
      const { cid } = await seed.share(bytes);
      const shared = await page.evaluate(
        async (bytes) => {
          const one = await globalThis.node.share(Uint8Array.from(bytes));
          const two = await globalThis.node.share(new Blob([Uint8Array.from(bytes)]));
          const own = await one.bytes();
          return { one: one.cid, two: two.cid, own: own.byteLength };
        },
        [...bytes],
      );
      assert.deepEqual(shared, { one: cid, two: cid, own: bytes.byteLength });
      await (await other.open(cid)).save(nodes.path(`copy-${bytes.byteLength}`));
      assert.equal(hashOf(await readFile(nodes.path(`copy-${bytes.byteLength}`))), hashOf(bytes));
    }
    const found = await page.evaluate(async () => {
      const asset = await globalThis.node.share(
        [
          { path: 'made/b/c.txt', file: new Blob(['c']) },
          { path: 'made/a.txt', file: new Blob(['a']) },
        ],
        { name: 'named' },
      );
      const paths: string[] = [];
      for await (const { path } of asset.entries()) paths.push(path);
      const { blob } = await asset.save({ path: 'b/c.txt' });
      return { name: asset.name, paths, text: await blob.text() };
    });
    assert.deepEqual(found, { name: 'named', paths: ['a.txt', 'b', 'b/c.txt'], text: 'c' });
  });

  it('goes with the page, and on `remove`', async () => {
    await start(page);
    const lists = await page.evaluate(async () => {
      const names = async (): Promise<unknown[]> => {
        const all = [];
        for await (const { name, state, bytesHere } of globalThis.node.list())
          all.push({ name, state, bytesHere });
        return all;
      };
      const { cid } = await globalThis.node.share(new File(['abc'], 'abc.txt'));
      const before = await names();
      await globalThis.node.remove(cid);
      const after = await names();
      await globalThis.node.share(new File(['abc'], 'abc.txt'));
      return [before, after];
    });
    assert.deepEqual(lists, [[{ name: 'abc.txt', state: 'shared', bytesHere: 3 }], []]);
    await rig.reload(page);
    await start(page);
    assert.deepEqual(await page.evaluate(() => Array.fromAsync(globalThis.node.list())), []);
  });

  it('is no longer served when its file changes, and nothing wrong is sent', async () => {
    const bytes = pseudoRandomBytes(3_000_000);
    await writeFile(nodes.path('a.bin'), bytes);
    await start(page, other);
    const { link } = await shareChosen(page, [nodes.path('a.bin')]);
    const told = page.evaluate(
      () =>
        new Promise<{ code: string; message: string }>((resolve) =>
          globalThis.node.addEventListener('asset:error', ({ detail }) => resolve(detail), { once: true }),
        ),
    );
    // The listener is there before the file changes.
    await page.evaluate(() => 0);
    await writeFile(nodes.path('a.bin'), pseudoRandomBytes(3_000_000, 2));
    const asset = await other.open(link);
    const misbehaved: unknown[] = [];
    other.addEventListener('peer:misbehaved', ({ detail }) => misbehaved.push(detail));
    const ended = new AbortController();
    const saving = asset.save(nodes.path('copy.bin'), { signal: ended.signal });
    const { code, message } = await told;
    assert.equal(code, 'ERR_FILE_CHANGED');
    assert.match(message, /a\.bin is no longer what was shared/);
    ended.abort(new Error('enough'));
    await assert.rejects(saving, /enough/);
    assert.deepEqual(misbehaved, []);
    const [report] = await page.evaluate(() => Array.fromAsync(globalThis.node.verify()));
    assert.ok((report?.bytesBad ?? 0) > 0);
    assert.match(report?.problems[0] ?? '', /a\.bin is no longer what was shared/);
  });

  it('says what it cannot take', async () => {
    await start(page);
    const codes = await page.evaluate(async () => {
      const codeOf = (source: unknown) =>
        globalThis.node.share(source as Blob).then(
          () => 'none',
          ({ code }: shoalOfPage.ShoalError) => code,
        );
      const file = new Blob(['a']);
      return Promise.all([
        codeOf('a path'),
        codeOf([]),
        codeOf([1]),
        codeOf([
          { path: 'a/../b', file },
          { path: 'c', file },
        ]),
        codeOf([
          { path: 'a', file },
          { path: 'a', file },
        ]),
      ]);
    });
    const wrong = 'ERR_SHARE_SOURCE';
    assert.deepEqual(codes, [wrong, wrong, wrong, 'ERR_UNSAFE_NAME', 'ERR_DUPLICATE_NAME']);
  });
});
