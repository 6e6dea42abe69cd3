import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { PageAsset, PageShoal, PageShoalOptions, Progress, SavedBlob } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { saveUntil } from './driven-page.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  var asset: PageAsset;
  var saving: Promise<SavedBlob>;
  var logged: string[];
}

const NETWORK = 'test';

/** Starts the page's node, as `node` in the page. @returns where it keeps what it fetches */
async function start(page: Page, options: PageShoalOptions = {}) {
  return page.evaluate(
    async (options) => {
      globalThis.logged = [];
      globalThis.node = await shoal.createShoal({
        ...options,
        log: (level, message) => void globalThis.logged.push(`${level}: ${message}`),
      });
      const { kind, why } = await globalThis.node.storage();
      return { kind, why, id: globalThis.node.id };
    },
    { network: NETWORK, ...options },
  );
}

/** Saves what the link names. @returns what came by its hash, how many bytes came, and where progress began */
async function save(page: Page, link: string) {
  return page.evaluate(async (link) => {
    const asset = await globalThis.node.open(link);
    const fetching: Progress[] = [];
    const { blob, sources } = await asset.save({
      onProgress: (each) => each.phase !== 'checking' && each.total > 0 && fetching.push(each),
    });
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
    const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const fetched = sources.reduce((sum, { bytes }) => sum + bytes, 0);
    return { hash, fetched };
  }, link);
}

async function list(page: Page) {
  return page.evaluate(async () => {
    const all = [];
    for await (const { name, bytes, bytesHere, state } of globalThis.node.list())
      all.push({ name, bytes, bytesHere, state });
    return all;
  });
}

async function failureOf(page: Page, link: string) {
  return page.evaluate(async (link) => {
    try {
      await (await globalThis.node.open(link)).save();
      return { code: 'none', message: '' };
    } catch (error) {
      const { code, message } = error as shoalOfPage.ShoalError;
      return { code, message };
    }
  }, link);
}

describe('what a page keeps', function () {
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

  const withoutFiles = (): void => void Reflect.deleteProperty(StorageManager.prototype, 'getDirectory');

  for (const [kind, before] of [
    ['opfs', undefined],
    ['indexeddb', withoutFiles],
  ] as const) {
    it(`is there again after a reload, and the download goes on from it (${kind})`, async () => {
      const bytes = pseudoRandomBytes(6_000_000);
      const seed = await nodes.start({ web: true });
      const { link, cid } = await seed.share(bytes, { name: 'a.bin' });
      const page = await rig.page({ before });
      const first = await start(page);
      assert.equal(first.kind, kind);
      await page.evaluate(async (link) => {
        const asset = await globalThis.node.open(link);
        await asset.bytes({ offset: 1_000_000, length: 2_000_000 });
      }, link);

      await rig.reload(page);
      assert.deepEqual(await start(page), { ...first });
      const [partial] = await list(page);
      assert.equal(partial?.state, 'partial');
      assert.ok(partial.bytesHere >= 2_000_000 && partial.bytesHere < bytes.byteLength);
      const rest = await save(page, link);
      assert.equal(rest.hash, hashOf(bytes));
      assert.ok(rest.fetched > 0 && rest.fetched <= bytes.byteLength - 2_000_000, `${rest.fetched}`);

      // In this order: a page that goes on asking a closed node of this process can crash it, natively.
      await page.evaluate(() => globalThis.node.close());
      await seed.close();
      await rig.reload(page);
      await start(page);
      assert.deepEqual(await list(page), [
        { name: 'a.bin', bytes: bytes.byteLength, bytesHere: bytes.byteLength, state: 'complete' },
      ]);
      assert.deepEqual(await save(page, cid), { hash: hashOf(bytes), fetched: 0 });
      await page.evaluate((cid) => globalThis.node.remove(cid), cid);
      assert.deepEqual(await list(page), []);
      await rig.reload(page);
      await start(page);
      assert.deepEqual(await list(page), []);
      await page.evaluate(() => globalThis.node.close());
    });
  }

  it('survives a crash of the tab in the middle of a download', async () => {
    const bytes = pseudoRandomBytes(8_000_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const context = await rig.context();
    const page = await rig.page({ context });
    // Slow, so that it is in the middle when it crashes.
    await start(page, { downloadBytesPerSec: 500_000 });
    await saveUntil(page, link, 1_000_000);
    const crashed = page.waitForEvent('crash');
    page.goto('chrome://crash').catch(() => {});
    await crashed;
    const next = await rig.page({ context });
    assert.equal((await start(next)).kind, 'opfs');
    const rest = await save(next, link);
    assert.equal(rest.hash, hashOf(bytes));
    assert.ok(rest.fetched <= bytes.byteLength - 1_000_000 + 65_536, `${rest.fetched}`);
    await next.evaluate(() => globalThis.node.close());
  });

  it('belongs to one tab at a time: another one goes by memory, as a peer of its own', async () => {
    const bytes = pseudoRandomBytes(500_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const context = await rig.context();
    const [one, two] = [await rig.page({ context }), await rig.page({ context })];
    const first = await start(one);
    const second = await start(two);
    assert.equal(first.kind, 'opfs');
    assert.equal(second.kind, 'memory');
    assert.match(second.why ?? '', /another page of this site/);
    assert.match((await two.evaluate(() => globalThis.logged)).join('\n'), /warn: .*memory.*another page/);
    assert.notEqual(first.id, second.id);
    const both = await Promise.all([save(one, link), save(two, link)]);
    assert.deepEqual(
      both.map(({ hash }) => hash),
      [hashOf(bytes), hashOf(bytes)],
    );
    for (const tab of [one, two]) await tab.evaluate(() => globalThis.node.close());
    assert.equal((await start(two)).id, first.id);
    assert.equal((await list(two)).length, 1);
    await two.evaluate(() => globalThis.node.close());
  });

  it('lies in IndexedDB where a policy refuses the worker, and in memory where there is neither', async () => {
    const seed = await nodes.start({ web: true });
    const bytes = pseudoRandomBytes(300_000);
    const { link } = await seed.share(bytes);
    const policy = "worker-src 'none'";
    const refused = await rig.page({ policy });
    const { kind, why } = await start(refused);
    assert.equal(kind, 'indexeddb');
    assert.match(why ?? '', /worker-src blob:/);
    assert.equal((await save(refused, link)).hash, hashOf(bytes));
    await refused.evaluate(() => globalThis.node.close());
    const bare = await rig.page({ before: () => Reflect.deleteProperty(globalThis, 'indexedDB') });
    assert.equal((await start(bare)).kind, 'memory');
    assert.equal((await save(bare, link)).hash, hashOf(bytes));
    await bare.evaluate(() => globalThis.node.close());
  });

  it('says how much room there is when it does not suffice, before anything is fetched', async () => {
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(3_000_000));
    const page = await rig.page({
      before: () => {
        Reflect.deleteProperty(StorageManager.prototype, 'getDirectory');
        StorageManager.prototype.estimate = async () => ({ quota: 2_000_000, usage: 1000 });
      },
    });
    assert.equal((await start(page)).kind, 'indexeddb');
    const { code, message } = await failureOf(page, link);
    assert.equal(code, 'ERR_NO_SPACE');
    assert.match(
      message,
      /takes 3000000 bytes more.*gives this page 2000000 bytes, of which 1000 are taken; remove an asset/,
    );
    await page.evaluate(() => globalThis.node.close());
  });

  for (const [kind, before] of [
    ['opfs', undefined],
    ['indexeddb', withoutFiles],
  ] as const) {
    it(`loses nothing when there is no more room, and goes on when there is (${kind})`, async () => {
      const bytes = pseudoRandomBytes(6_000_000);
      const seed = await nodes.start({ web: true });
      const [first, second] = [await seed.share(bytes.subarray(0, 2_000_000)), await seed.share(bytes)];
      await using context = await rig.lastingContext();
      const page = await rig.page({ context, before });
      const session = await context.newCDPSession(page);
      const quota = (quotaSize?: number) =>
        session.send('Storage.overrideQuotaForOrigin', { origin: rig.origin, quotaSize });
      await quota(4_000_000);
      assert.equal((await start(page)).kind, kind);
      await save(page, first.link);
      const { code, message } = await failureOf(page, second.link);
      assert.equal(code, 'ERR_NO_SPACE');
      assert.match(message, /which keeps \d+ bytes, no more room; remove an asset/);
      await quota();
      assert.equal((await save(page, first.link)).fetched, 0);
      const here = (await list(page)).find((each) => each.bytes === bytes.byteLength)?.bytesHere ?? 0;
      // Files have their room before anything is fetched; a database takes what fits.
      if (kind === 'opfs') {
        assert.match(message, /could not make room for the 6000000 bytes/);
        assert.equal(here, 0);
      }
      const rest = await save(page, second.link);
      assert.equal(rest.hash, hashOf(bytes));
      assert.ok(rest.fetched <= bytes.byteLength - here, `${rest.fetched} fetched, ${here} were here`);
      await page.evaluate(() => globalThis.node.close());
    });
  }

  it('is fetched again, and says why, where the browser deleted it', async () => {
    const bytes = pseudoRandomBytes(1_000_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const page = await rig.page();
    const session = await page.context().newCDPSession(page);
    await start(page);
    await save(page, link);
    await page.evaluate(async () => {
      await globalThis.node.close();
      const top = await navigator.storage.getDirectory();
      await top.removeEntry('shoal', { recursive: true });
    });
    await start(page);
    const told = page.evaluate(
      () =>
        new Promise<string>((resolve) =>
          globalThis.node.addEventListener('asset:error', ({ detail }) => resolve(detail.code), {
            once: true,
          }),
        ),
    );
    const again = await save(page, link);
    assert.equal(await told, 'ERR_EVICTED');
    assert.deepEqual(again, { hash: hashOf(bytes), fetched: bytes.byteLength });
    const logged = (): Promise<string> => page.evaluate(() => globalThis.logged.join('\n'));
    assert.match(await logged(), /error: .*0 of 1000000 bytes are left.*persist/);
    await page.evaluate(() => globalThis.node.close());

    await session.send('Storage.clearDataForOrigin', {
      origin: rig.origin,
      storageTypes: 'indexeddb,file_systems',
    });
    await start(page);
    assert.match(await logged(), /warn: what this page had kept is gone.*persist/);
    assert.equal(await page.evaluate(async () => (await globalThis.node.storage()).wasEvicted), true);
    assert.deepEqual(await list(page), []);
    await page.evaluate(() => globalThis.node.close());
  });

  it('is told of as deleted where the site’s data is cleared in the middle of a download', async () => {
    const seed = await nodes.start({ web: true, uploadBytesPerSec: 3_000_000 });
    const { link } = await seed.share(pseudoRandomBytes(4_000_000));
    await using context = await rig.lastingContext();
    const page = await rig.page({ context });
    const session = await context.newCDPSession(page);
    assert.equal((await start(page)).kind, 'opfs');
    await saveUntil(page, link, 500_000);
    await session.send('Storage.clearDataForOrigin', { origin: rig.origin, storageTypes: 'all' });
    const saved = () =>
      page.evaluate(() =>
        globalThis.saving.then(
          () => ({ code: 'none', message: '' }),
          ({ code, message }: shoalOfPage.ShoalError) => ({ code, message }),
        ),
      );
    assert.match((await saved()).message, /deleted.*open the page anew|could not finish.*open the page anew/);
    assert.equal((await saved()).code, 'ERR_IO');
    assert.equal((await failureOf(page, link)).code, 'ERR_IO');
    await page.evaluate(() => globalThis.node.close());
    await rig.reload(page);
    await start(page);
    assert.equal((await save(page, link)).fetched, 4_000_000);
    await page.evaluate(() => globalThis.node.close());
  });

  it('is fetched again without a reload, where its file is found to be lost', async () => {
    const bytes = pseudoRandomBytes(1_000_000);
    const seed = await nodes.start({ web: true });
    const { link, cid } = await seed.share(bytes);
    const page = await rig.page();
    await start(page);
    await save(page, link);
    await page.evaluate(() => globalThis.node.close());
    await start(page);
    const code = await page.evaluate(
      async ({ link, cid }) => {
        globalThis.asset = await globalThis.node.open(link);
        await globalThis.asset.bytes({ length: 1 });
        const top = await navigator.storage.getDirectory();
        await (await top.getDirectoryHandle('shoal')).removeEntry(cid, { recursive: true });
        return globalThis.asset.bytes({ offset: 900_000 }).catch((error: { code: string }) => error.code);
      },
      { link, cid },
    );
    assert.equal(code, 'ERR_FILE_CHANGED');
    assert.deepEqual(await save(page, link), { hash: hashOf(bytes), fetched: bytes.byteLength });
    await page.evaluate(() => globalThis.node.close());
  });

  it('is checked on demand, and led back to its swarm and served after a reload', async () => {
    const bytes = pseudoRandomBytes(700_000);
    const seed = await nodes.start({ web: true, dht: false });
    const { link, cid } = await seed.share(bytes);
    const page = await rig.page();
    const { id } = await start(page);
    await save(page, link);
    const reports = await page.evaluate(() => Array.fromAsync(globalThis.node.verify()));
    assert.deepEqual(
      reports.map(({ cid, bytesGood, bytesBad, problems }) => ({ cid, bytesGood, bytesBad, problems })),
      [{ cid, bytesGood: bytes.byteLength, bytesBad: 0, problems: [] }],
    );
    // The page writes down whom it met when it is closed.
    await page.evaluate(() => globalThis.node.close());
    await rig.reload(page);
    await start(page);
    await seed.remove(cid);
    const assets = await page.evaluate(async () => {
      const met = new Promise<void>((resolve) =>
        globalThis.node.addEventListener('peer:connect', () => resolve(), { once: true }),
      );
      const { assets } = await globalThis.node.seed();
      await met;
      return assets;
    });
    assert.equal(assets, 1);
    const back = await (await seed.open(cid)).save(nodes.path('back.bin'));
    assert.deepEqual(back.sources, [{ peer: id, bytes: bytes.byteLength }]);
    await page.evaluate(() => globalThis.node.close());
  });

  it('is asked to be kept for good only where the application wants that, and once', async () => {
    const seed = await nodes.start({ web: true });
    const links = [];
    for (const size of [1000, 2000]) links.push((await seed.share(pseudoRandomBytes(size))).link);
    const page = await rig.page({
      before: () => {
        Object.assign(globalThis, { asked: 0 });
        StorageManager.prototype.persist = async () => {
          (globalThis as unknown as { asked: number }).asked++;
          return false;
        };
      },
    });
    const asked = (): Promise<number> =>
      page.evaluate(() => (globalThis as unknown as { asked: number }).asked);
    await start(page);
    await save(page, links[0] ?? '');
    await page.evaluate(() => globalThis.node.close());
    assert.equal(await asked(), 0);
    await start(page, { persist: true });
    assert.equal(await asked(), 0);
    for (const link of links) await save(page, link);
    await page.waitForFunction(() => (globalThis as unknown as { asked: number }).asked > 0);
    assert.equal(await asked(), 1);
    assert.equal(await page.evaluate(async () => (await globalThis.node.storage()).isPersistent), false);
    await page.evaluate(() => globalThis.node.close());
  });

  it('writes to a file that the person picked, whole or not at all', async () => {
    const bytes = pseudoRandomBytes(2_000_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes);
    const page = await rig.page();
    await start(page);
    const written = await page.evaluate(async (link) => {
      // A handle as showSaveFilePicker() gives it.
      const top = await navigator.storage.getDirectory();
      const to = await top.getFileHandle('picked.bin', { create: true });
      const asset = await globalThis.node.open(link);
      await asset.save({ to });
      const file = await to.getFile();
      const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
      return [...new Uint8Array(digest)];
    }, link);
    assert.equal(Buffer.from(written).toString('hex'), hashOf(bytes));
    const failed = await page.evaluate(async (link) => {
      const top = await navigator.storage.getDirectory();
      const to = await top.getFileHandle('old.txt', { create: true });
      const old = await to.createWritable();
      await old.write('as it was');
      await old.close();
      const asset = await globalThis.node.open(link);
      const stopped = new AbortController();
      const codeOf = (error: shoalOfPage.ShoalError) => error.code;
      const aborted = await asset
        .save({
          to,
          signal: stopped.signal,
          onProgress: ({ phase }) => phase === 'writing' && stopped.abort(new Error('enough')),
        })
        .catch(({ message }: Error) => message);
      const refuse = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
      const denied = { name: 'denied.txt', createWritable: refuse } as unknown as FileSystemFileHandle;
      const refused = await asset.save({ to: denied }).catch(codeOf);
      const full = new WritableStream<Uint8Array>({
        write: () => Promise.reject(new DOMException('no', 'QuotaExceededError')),
      });
      const filled = await asset.save({ to: full }).catch(codeOf);
      return { aborted, refused, filled, old: await (await to.getFile()).text() };
    }, link);
    assert.deepEqual(failed, {
      aborted: 'enough',
      refused: 'ERR_ACCESS',
      filled: 'ERR_DISK_FULL',
      old: 'as it was',
    });
    await page.evaluate(() => globalThis.node.close());
  });
});
