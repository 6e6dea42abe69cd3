import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type { PageShoal, PickedHandle, ShareAgainOptions } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import type { Shoal } from '../../src/index.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  /** See {@link putFiles}. */
  var ownFiles: FileSystemDirectoryHandle;
  var told: string[];
}

/** Starts a node in the page that stays connected to `peer`. */
async function start(page: Page, peer?: Shoal, storage: 'auto' | 'memory' = 'auto'): Promise<void> {
  const peers = peer?.addresses.filter((address) => address.includes('/webrtc-direct/')).slice(0, 1) ?? [];
  await page.evaluate(
    async ([peers, storage]) => {
      globalThis.node = await shoal.createShoal({ network: 'test', peers, storage });
      globalThis.told = [];
      globalThis.node.addEventListener('asset:error', ({ detail }) => globalThis.told.push(detail.code));
    },
    [peers as string[], storage] as const,
  );
}

/**
 * Writes files, and folders whose names end in `/`, where a page can have handles of them. No test can use the browser's own dialog; the origin's private file
 * system has the same handles, and gives them without asking.
 */
async function putFiles(page: Page, files: Record<string, readonly number[]>): Promise<void> {
  await page.evaluate(async (files) => {
    globalThis.ownFiles = await navigator.storage.getDirectory();
    for (const [path, bytes] of Object.entries(files)) {
      const parts = path.split('/');
      let folder = globalThis.ownFiles;
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
      if (path.endsWith('/')) continue;
      const file = await folder.getFileHandle(parts.at(-1) as string, { create: true });
      const writing = await file.createWritable();
      await writing.write(Uint8Array.from(bytes));
      await writing.close();
    }
  }, files);
}

/** Shares files and folders (whose names end in `/`) of those. */
async function share(page: Page, ...names: string[]) {
  return page.evaluate(async (names) => {
    const handles: PickedHandle[] = [];
    for (const name of names) {
      if (name.endsWith('/')) handles.push(await globalThis.ownFiles.getDirectoryHandle(name.slice(0, -1)));
      else handles.push(await globalThis.ownFiles.getFileHandle(name));
    }
    const { cid, name, link } = await globalThis.node.share(handles);
    return { cid, name, link };
  }, names);
}

async function shareAgain(page: Page, options: ShareAgainOptions = {}) {
  return page.evaluate(async (options) => {
    const results = await globalThis.node.shareAgain(options);
    return results.map(({ source, ...rest }) => ({ ...rest, source: source.map(({ name }) => name) }));
  }, options);
}

async function listed(page: Page) {
  return page.evaluate(async () => {
    const all = [];
    for await (const { cid, bytes, bytesHere, state } of globalThis.node.list())
      all.push({ cid, bytes, bytesHere, state });
    return all;
  });
}

describe('what a page shares from handles', function () {
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
    await start(page, other);
  });
  afterEach(async () => {
    await page?.evaluate(() => globalThis.node?.close());
    await nodes[Symbol.asyncDispose]();
  });

  async function reload(): Promise<void> {
    await page.evaluate(() => globalThis.node.close());
    await rig.reload(page);
    await start(page, other);
  }

  it('is shared again after a reload, a file or a folder, under the same CID, and fetched from the page', async () => {
    const [a, b] = [pseudoRandomBytes(700_000), pseudoRandomBytes(100, 2)];
    await putFiles(page, {
      'a.bin': [...a],
      'folder/sub/a.bin': [...a],
      'folder/tiny': [...b],
      tiny: [...b],
    });
    await mkdir(nodes.path('folder', 'sub'), { recursive: true });
    await writeFile(nodes.path('folder', 'sub', 'a.bin'), a);
    await writeFile(nodes.path('folder', 'tiny'), b);
    await writeFile(nodes.path('a.bin'), a);
    const folder = await share(page, 'folder/');
    const file = await share(page, 'a.bin');
    const tiny = await share(page, 'tiny');
    const both = await share(page, 'a.bin', 'folder/');
    const node = await nodes.start();
    assert.equal(folder.cid, (await node.share(nodes.path('folder'))).cid);
    assert.equal(file.cid, (await node.share(nodes.path('a.bin'))).cid);
    assert.deepEqual([folder.name, file.name], ['folder', 'a.bin']);
    await reload();
    const waiting = await listed(page);
    assert.deepEqual(
      waiting.map(({ bytesHere, state }) => [bytesHere, state]),
      Array.from({ length: 4 }, () => [0, 'shared']),
    );
    const all = await shareAgain(page);
    const text = ({ cid, state, source }: (typeof all)[0]): string => `${cid} ${state} ${source.join()}`;
    assert.deepEqual(
      all.map(text).sort(),
      [
        `${folder.cid} shared folder`,
        `${file.cid} shared a.bin`,
        `${tiny.cid} shared tiny`,
        `${both.cid} shared a.bin,folder`,
      ].sort(),
    );
    for (const { bytes, bytesHere } of await listed(page)) assert.equal(bytesHere > 0, (bytes ?? 0) > 0);
    await (await other.open(folder.cid)).save(nodes.path('copy'));
    assert.equal(hashOf(await readFile(nodes.path('copy', 'sub', 'a.bin'))), hashOf(a));
    await (await other.open(both.cid)).save(nodes.path('both'));
    assert.equal(hashOf(await readFile(nodes.path('both', 'folder', 'tiny'))), hashOf(b));
    assert.equal(hashOf(await readFile(nodes.path('both', 'a.bin'))), hashOf(a));
    await (await other.open(tiny.cid)).save(nodes.path('tiny'));
    assert.equal(hashOf(await readFile(nodes.path('tiny'))), hashOf(b));
    // A second time it is there already; one alone can be asked for.
    assert.deepEqual(
      (await shareAgain(page, { cid: file.cid })).map(({ cid, state }) => [cid, state]),
      [[file.cid, 'shared']],
    );
  });

  it('has the folders in which there is nothing, and so the CID that `shoal share` gives', async () => {
    const bytes = pseudoRandomBytes(100_000);
    const content = { 'folder/full/a': [...bytes], 'folder/full/none/': [], 'folder/below/none/': [] };
    await putFiles(page, { ...content, 'hollow/none/': [], 'bare/': [] });
    for (const path of ['folder/full/none', 'folder/below/none', 'hollow/none', 'bare'])
      await mkdir(nodes.path(...path.split('/')), { recursive: true });
    await writeFile(nodes.path('folder', 'full', 'a'), bytes);
    const node = await nodes.start();
    const shared: string[] = [];
    for (const name of ['folder', 'hollow', 'bare']) {
      const { cid, name: called } = await share(page, `${name}/`);
      assert.deepEqual([cid, called], [(await node.share(nodes.path(name))).cid, name]);
      shared.push(cid);
    }
    const states = async (): Promise<string[]> =>
      (await shareAgain(page)).map(({ cid, state }) => `${cid} ${state}`).sort();
    const expected = shared.map((cid) => `${cid} shared`).sort();
    await reload();
    assert.deepEqual(await states(), expected);
    await reload();
    // Written anew it has another time, so that all is hashed.
    await putFiles(page, content);
    assert.deepEqual(await states(), expected);
    await (await other.open(shared[0] ?? '')).save(nodes.path('copy'));
    assert.deepEqual((await readdir(nodes.path('copy'), { recursive: true })).sort(), [
      'below',
      'below/none',
      'full',
      'full/a',
      'full/none',
    ]);
    await (await other.open(shared[1] ?? '')).save(nodes.path('hollow copy'));
    assert.deepEqual(await readdir(nodes.path('hollow copy')), ['none']);
  });

  it('waits until the person allows it, where the browser wants that, by one click for all', async () => {
    await putFiles(page, { a: [1], b: [2] });
    await share(page, 'a');
    await share(page, 'b');
    await reload();
    await page.evaluate(() => {
      let isGranted = false;
      Object.assign(FileSystemHandle.prototype, {
        queryPermission: async () => (isGranted ? 'granted' : 'prompt'),
        async requestPermission() {
          // As Chromium.
          if (!navigator.userActivation.isActive) throw new DOMException('no', 'SecurityError');
          isGranted = true;
          return 'granted';
        },
      });
      const button = document.createElement('button');
      button.textContent = 'share again';
      button.onclick = async () => {
        const results = await globalThis.node.shareAgain({ ask: true });
        document.title = results.map(({ state }) => state).join();
      };
      document.body.append(button);
    });
    const states = async (options: ShareAgainOptions): Promise<string[]> =>
      (await shareAgain(page, options)).map(({ state }) => state);
    assert.deepEqual(await states({}), ['permission', 'permission']);
    const [first] = await shareAgain(page);
    assert.match(first?.problem ?? '', /allowed anew to read a$/);
    await page.click('button');
    await page.waitForFunction(() => document.title === 'shared,shared');
    assert.deepEqual(
      (await listed(page)).map(({ bytesHere }) => bytesHere),
      [1, 1],
    );
  });

  it('is told of when it changed or went, by size, time and hash, and can be shared anew', async () => {
    await putFiles(page, {
      same: [1, 9],
      longer: [1, 2],
      other: [1, 3],
      'folder/gone': [1],
      'folder/here': [1],
    });
    const cids: Record<string, string> = {};
    for (const name of ['same', 'longer', 'other', 'folder/'])
      cids[name.replace('/', '')] = (await share(page, name)).cid;
    await putFiles(page, { same: [1, 9], longer: [1, 2, 3], other: [1, 4] });
    await page.evaluate(async () =>
      (await globalThis.ownFiles.getDirectoryHandle('folder')).removeEntry('gone'),
    );
    await reload();
    const found = await shareAgain(page);
    const outcome = Object.fromEntries(found.map(({ name, state }) => [name, state]));
    assert.deepEqual(outcome, { same: 'shared', longer: 'changed', other: 'changed', folder: 'gone' });
    const problem = (name: string): string => found.find((each) => each.name === name)?.problem ?? '';
    assert.match(problem('longer'), /longer is no longer what was shared; share it again/);
    assert.match(problem('folder'), /gone is no longer in folder/);
    const told = await page.evaluate(() => globalThis.told);
    assert.deepEqual(told, ['ERR_FILE_CHANGED', 'ERR_FILE_CHANGED']);
    const anew = await page.evaluate(async (cid) => {
      const [found] = await globalThis.node.shareAgain({ cid });
      const asset = await globalThis.node.share(found?.source ?? []);
      await globalThis.node.remove(cid ?? '');
      return { cid: asset.cid, bytes: [...(await asset.bytes())] };
    }, cids['other']);
    assert.notEqual(anew.cid, cids['other']);
    assert.deepEqual(anew.bytes, [1, 4]);
    // What was only touched is known by its new time.
    await reload();
    const next = Object.fromEntries((await shareAgain(page)).map(({ cid, state }) => [cid, state]));
    assert.deepEqual(next, {
      [cids['same'] ?? '']: 'shared',
      [anew.cid]: 'shared',
      [cids['longer'] ?? '']: 'changed',
      [cids['folder'] ?? '']: 'gone',
    });
  });

  it('is forgotten on `remove`, be it shared or waiting, with its nodes', async () => {
    await putFiles(page, { a: [...pseudoRandomBytes(300_000)], b: [...pseudoRandomBytes(400_000)] });
    const a = await share(page, 'a');
    const b = await share(page, 'b');
    await page.evaluate((cid) => globalThis.node.remove(cid), a.cid);
    await reload();
    assert.deepEqual(
      (await listed(page)).map(({ cid }) => cid),
      [b.cid],
    );
    await page.evaluate((cid) => globalThis.node.remove(cid), b.cid);
    assert.deepEqual(await shareAgain(page), []);
    await reload();
    assert.deepEqual(await listed(page), []);
    // It was nobody's eviction.
    assert.equal(await page.evaluate(async () => (await globalThis.node.storage()).wasEvicted), false);
    const left = await page.evaluate(async () => {
      const opening = indexedDB.open('shoal');
      await new Promise((resolve) => opening.addEventListener('success', resolve));
      const nodes = opening.result.transaction('nodes').objectStore('nodes').count();
      await new Promise((resolve) => nodes.addEventListener('success', resolve));
      opening.result.close();
      return { nodes: nodes.result, version: opening.result.version };
    });
    // Of the version that Shoal of earlier opens.
    assert.deepEqual(left, { nodes: 0, version: 1 });
  });

  it('stays what was fetched, where it was both', async () => {
    const bytes = pseudoRandomBytes(300_000);
    await writeFile(nodes.path('a.bin'), bytes);
    const { link, cid } = await other.share(nodes.path('a.bin'));
    await page.evaluate(async (link) => void (await (await globalThis.node.open(link)).save()), link);
    await putFiles(page, { 'a.bin': [...bytes] });
    assert.equal((await share(page, 'a.bin')).cid, cid);
    await reload();
    const states = async (): Promise<string[]> =>
      (await listed(page)).map(({ state, bytesHere }) => `${state} ${bytesHere}`);
    assert.deepEqual(await states(), ['complete 300000']);
    assert.deepEqual(
      (await shareAgain(page)).map(({ state }) => state),
      ['shared'],
    );
    assert.deepEqual(await states(), ['shared 300000']);
  });

  it('is not kept where some of it is no handle’s, or nothing is kept', async () => {
    await putFiles(page, { a: [1] });
    await page.evaluate(async () => {
      const file = await globalThis.ownFiles.getFileHandle('a');
      await globalThis.node.share([file, new File(['b'], 'b')]);
      await globalThis.node.share([{ path: 'named', file }], { name: 'as a file' });
    });
    await reload();
    assert.deepEqual(
      (await shareAgain(page)).map(({ name, state }) => [name, state]),
      [['as a file', 'shared']],
    );
    await page.evaluate(() => globalThis.node.close());
    await start(page, other, 'memory');
    await putFiles(page, { a: [1] });
    await share(page, 'a');
    assert.deepEqual(await shareAgain(page), []);
  });

  it('is not kept, nor shared, where that was given up while it was noted; what was kept before is', async () => {
    await putFiles(page, { a: [1, 2, 3] });
    const outcome = () =>
      page.evaluate(async () => {
        const { put } = IDBObjectStore.prototype;
        const stop = new AbortController();
        IDBObjectStore.prototype.put = function (value, key) {
          if (typeof key === 'string' && key.startsWith('share:')) stop.abort('given up');
          return put.call(this, value, key);
        };
        const file = await globalThis.ownFiles.getFileHandle('a');
        return globalThis.node.share(file, { signal: stop.signal }).then(
          () => 'shared',
          (reason: unknown) => reason,
        );
      });
    assert.equal(await outcome(), 'given up');
    assert.deepEqual(await listed(page), []);
    await share(page, 'a');
    assert.equal(await outcome(), 'given up');
    assert.deepEqual(
      (await listed(page)).map(({ state }) => state),
      ['shared'],
    );
    await reload();
    assert.deepEqual(
      (await shareAgain(page)).map(({ state }) => state),
      ['shared'],
    );
  });
});
