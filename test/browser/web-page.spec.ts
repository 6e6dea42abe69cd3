import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { Scene } from '../cli/shoal-process.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, needChromium } from './chromium.ts';
import { madeVideo } from './made-video.ts';
import { PageSite } from './page-site.ts';

/** In a page, which waits for half a minute: the hand moves a hundred times as fast there. */
function quicken(): void {
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 100);
  const { setTimeout } = globalThis;
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, ms = 0) => setTimeout(callback, ms >= 10_000 ? ms / 100 : ms),
  });
}

/** Has the page's picker pick a file of eleven bytes. Runs in the page. */
function letPickMine(): void {
  const picked = async (): Promise<FileSystemFileHandle> => {
    const top = await navigator.storage.getDirectory();
    const file = await top.getFileHandle('mine.txt', { create: true });
    const writing = await file.createWritable();
    await writing.write('what I have');
    await writing.close();
    return file;
  };
  Object.assign(globalThis, { showOpenFilePicker: async () => [await picked()] });
}

/**
 * Texts that stand out from what is behind them by less than 4.5, and fields and buttons whose edges do so by less than 3: what
 * WCAG 2 asks of level AA. Runs in the page.
 */
function faint(): string[] {
  const draw = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  const lightOf = (colour: string): number | undefined => {
    draw.clearRect(0, 0, 1, 1);
    draw.fillStyle = colour;
    draw.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha] = draw.getImageData(0, 0, 1, 1).data;
    if (alpha !== 255) return undefined;
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((each) =>
      each <= 10 ? each / 3294 : ((each / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element: Element | null): number =>
    element
      ? (lightOf(getComputedStyle(element).backgroundColor) ?? behind(element.parentElement))
      : (lightOf('Canvas') as number);
  const ratio = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>('body *')) {
    if (!element.checkVisibility()) continue;
    const { color, borderTopColor } = getComputedStyle(element);
    const name = `${element.localName}#${element.id}.${element.className}`;
    const isText = [...element.childNodes].some((each) => each.nodeType === 3 && each.nodeValue?.trim());
    const text = ratio(lightOf(color) ?? 0, behind(element));
    if ((isText || element.localName === 'input') && text < 4.5) found.push(`the text of ${name}`);
    if (!element.matches('input, button')) continue;
    const outside = behind(element.parentElement);
    const edge = ratio(lightOf(borderTopColor) ?? outside, outside);
    if (Math.max(edge, ratio(behind(element), outside)) < 3) found.push(`the edge of ${name}`);
  }
  return found;
}

/** The page that `shoal web` serves, as a person uses it: by what it shows, and by its fields and buttons. */
describe('the page in Chromium', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  let contexts: BrowserContext[];
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  // Nodes are closed when no browser sends them anything any more: where the socket of WebRTC's native code stays open
  // (src/node/webrtc-direct-transport.ts), what comes to it then ends the process.
  const used: TestNodes[] = [];
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
    for (const each of used) await each[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    nodes = await TestNodes.create();
    used.push(nodes);
    contexts = [];
  });
  afterEach(() => Promise.all(contexts.map((each) => each.close())));

  async function openPage(
    url: string,
    options: { before?: () => void; context?: BrowserContextOptions } = {},
  ): Promise<Page> {
    const context = await rig.context(options.context);
    contexts.push(context);
    const page = await context.newPage();
    if (options.before) await page.addInitScript(options.before);
    await page.goto(url);
    return page;
  }

  /** Waits until an element that can be seen has such a text. */
  async function shows(page: Page, selector: string, text: RegExp): Promise<void> {
    await page.locator(selector).filter({ hasText: text, visible: true }).waitFor();
  }

  async function savedFrom(page: Page, selector: string): Promise<{ name: string; bytes: Buffer }> {
    const saving = page.waitForEvent('download');
    await page.click(selector);
    const download = await saving;
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  }

  it('fetches a link that was typed, by keyboard, shows who gave what, and saves it', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const bytes = pseudoRandomBytes(3_000_000);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(bytes, { name: 'a b.bin' });
    const page = await openPage(site.url());
    await page.focus('#link');
    await page.keyboard.insertText(link);
    await page.keyboard.press('Enter');
    await shows(page, '#asset-name', /^a b\.bin$/);
    await shows(page, '#asset-state', /All of it is here and checked: 3\.0 MB/);
    await shows(page, '#sources td', new RegExp(`^…${seed.id.slice(-6)}$`));
    await shows(page, '#sources td', /^gave 3\.0 MB \(100 %\)$/);
    assert.match((await page.getAttribute('#picture', 'aria-label')) ?? '', /1 peer connected; 3\.0 MB came/);
    const saved = await savedFrom(page, '#asset-actions a');
    assert.equal(saved.name, 'a b.bin');
    assert.ok(saved.bytes.equals(bytes));
    // It is here again after a reload, also where something else cannot be opened, and can be removed.
    await page.goto('about:blank');
    await page.goto(`${site.url()}#shoal:nonsense`);
    await shows(page, '#problem', /ERR_INVALID_CID/);
    await shows(page, '#kept-list .name', /^a b\.bin$/);
    await page.click('.brand');
    await shows(page, '#kept-list .name', /^a b\.bin$/);
    await page.click('text=Remove');
    await page.locator('#kept').waitFor({ state: 'hidden' });
  });

  it('opens the link behind its address, and plays a film of it', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(await madeVideo(await rig.page(), 3), { name: 'film.webm' });
    const page = await openPage(`${site.url()}#${link}`);
    await page.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    assert.equal(await page.evaluate(() => document.querySelector('video')?.duration), 3);
    assert.match((await page.getAttribute('video', 'src')) ?? '', /\/shoal\/baf[^/]*\/film\.webm$/);
    await shows(page, '#asset-state', /All of it is here/);
    await page.click('#asset-stop');
    await page.locator('video').waitFor({ state: 'detached' });
    await shows(page, '#start-title', /./);
  });

  it('plays a film that broke off on, and one that did not begin when all of it is here', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(await madeVideo(await rig.page(), 3), { name: 'film.webm' });
    const page = await openPage(`${site.url()}#${link}`, {
      before: () => {
        // The first time nothing comes.
        const descriptor = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'src')!;
        const set = descriptor.set!;
        descriptor.set = function (source: string) {
          set.call(this, '/nothing.webm');
          Object.defineProperty(HTMLMediaElement.prototype, 'src', { ...descriptor, set });
          Object.assign(globalThis, { source });
        };
        Object.defineProperty(HTMLMediaElement.prototype, 'src', descriptor);
      },
    });
    await shows(page, '#asset-state', /All of it is here/);
    await page.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    await page.locator('#stage-note').waitFor({ state: 'hidden' });

    await page.evaluate(async () => {
      const video = document.querySelector('video')!;
      const at = (type: string) =>
        new Promise((resolve) => video.addEventListener(type, resolve, { once: true }));
      const sought = at('timeupdate');
      video.currentTime = 2;
      await sought;
      const failed = at('error');
      video.src = '/nothing.webm';
      await failed;
      // It comes again.
      video.load = () => void (video.src = (globalThis as { source?: string }).source!);
    });
    await page.click('text=Play on');
    await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 2.1);
    await page.locator('#stage-note').waitFor({ state: 'hidden' });
  });

  it('lists a folder, shows a picture of it, and fetches one file or all', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await mkdir(nodes.path('folder', 'sub'), { recursive: true });
    await writeFile(nodes.path('folder', 'one.bin'), pseudoRandomBytes(200_000));
    await writeFile(
      nodes.path('folder', 'sub', 'two.svg'),
      '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    );
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await openPage(`${site.url()}#${link}`);
    await shows(page, '#asset-state', /^2 files, 200 kB\.$/);
    await page.click('[aria-label="Show sub/two.svg"]');
    await page.waitForFunction(() => document.querySelector('img')?.naturalWidth === 8);
    await page.click('[aria-label="Fetch one.bin"]');
    assert.equal((await savedFrom(page, '[aria-label="Save one.bin"]')).bytes.byteLength, 200_000);
    await page.click('text=Fetch all of it');
    await page.locator('[aria-label="Save two.svg"]').waitFor();
  });

  it('says that a file of a folder did not come, and keeps no file in memory that it shows no more', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await mkdir(nodes.path('folder'));
    await writeFile(nodes.path('folder', 'one.bin'), pseudoRandomBytes(200_000));
    await writeFile(nodes.path('folder', 'two.bin'), pseudoRandomBytes(100_000));
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await openPage(`${site.url()}#${link}`, {
      before: () => {
        const { createObjectURL, revokeObjectURL } = URL;
        const kept = new Set<string>();
        URL.createObjectURL = (blob) => {
          const url = createObjectURL.call(URL, blob);
          kept.add(url);
          return url;
        };
        URL.revokeObjectURL = (url) => {
          kept.delete(url);
          revokeObjectURL.call(URL, url);
        };
        Object.assign(globalThis, { kept });
      },
    });
    const kept = () => page.evaluate(() => [...(globalThis as unknown as { kept: Set<string> }).kept]);
    await page.click('[aria-label="Fetch one.bin"]');
    const url = await page.locator('[aria-label="Save one.bin"]').getAttribute('href');
    assert.ok(url !== null && (await kept()).includes(url));
    await seed.close();
    await page.evaluate(quicken);
    await page.click('[aria-label="Fetch two.bin"]');
    await shows(page, '#problem', /ERR_NO_PROVIDERS/);
    await shows(page, '#asset-state', /^two\.bin is not all here\. What came is kept\.$/);
    await page.locator('#asset-progress').waitFor({ state: 'hidden' });
    await page.click('#problem-close');
    await page.click('text=Fetch all of it');
    await shows(page, '#problem', /ERR_NO_PROVIDERS/);
    await shows(page, '#asset-state', /^It stopped before all of it was here\. What came is kept\.$/);
    await shows(page, '#asset-actions button', /^Fetch all of it$/);
    await page.click('#asset-stop');
    await shows(page, '#start-title', /./);
    assert.ok(!(await kept()).includes(url));
  });

  it('shows a folder of many files by and by, and fetches all of it, also what it does not show', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await mkdir(nodes.path('folder'));
    for (let i = 0; i < 503; i++)
      await writeFile(nodes.path('folder', `${i}.txt`), i < 490 ? '' : `file ${i}`);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await openPage(`${site.url()}#${link}`);
    await shows(page, '#asset-state', /^503 files, /);
    assert.equal(await page.locator('#asset-files .name').count(), 500);
    assert.deepEqual((await page.locator('#asset-files .name').allTextContents()).slice(8, 11), [
      '8.txt',
      '9.txt',
      '10.txt',
    ]);
    // What it keeps of what was only looked at can be removed.
    await page.click('#asset-stop');
    await shows(page, '#kept-list .size', /^nothing of it yet$/);
    await page.click('text=Remove');
    await page.locator('#kept').waitFor({ state: 'hidden' });
    await page.goBack();
    await shows(page, '#asset-state', /^503 files, /);
    await page.click('text=Fetch all of it');
    await shows(page, '#asset-state', /^All of it is here and checked: 503 files, /);
    await page.click('text=Show 3 more of 3');
    assert.equal(await page.locator('#asset-files .name').count(), 503);
    const saved = await savedFrom(page, '[aria-label="Save 502.txt"]');
    assert.equal(String(saved.bytes), 'file 502');
  });

  it('says nothing of peers while it reads what is here already', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await mkdir(nodes.path('folder'));
    for (const name of ['one', 'two']) await writeFile(nodes.path('folder', `${name}.txt`), name);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await openPage(`${site.url()}#${link}`);
    await page.click('text=Fetch all of it');
    await shows(page, '#asset-state', /^All of it is here/);
    await page.reload();
    await shows(page, '#asset-state', /^2 files/);
    const said = page.evaluate(async () => {
      const state = document.querySelector('#asset-state')!;
      const texts: string[] = [];
      await new Promise<void>((resolve) => {
        new MutationObserver(() => {
          texts.push(state.textContent);
          if (state.textContent.startsWith('All of it is here')) resolve();
        }).observe(state, { childList: true });
      });
      return texts;
    });
    await page.click('text=Fetch all of it');
    assert.ok(!(await said).some((text) => text.includes(' 0 peers')), String(await said));
  });

  it('saves a folder into one that is picked, by keyboard, and says where a browser cannot', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await mkdir(nodes.path('folder', 'sub'), { recursive: true });
    await writeFile(nodes.path('folder', 'one.bin'), pseudoRandomBytes(200_000));
    await writeFile(nodes.path('folder', 'sub', 'two.txt'), 'two');
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('folder'));
    const page = await openPage(`${site.url()}#${link}`, {
      // No test can use the browser's own dialog; the origin's private folder has the same handles.
      before: () =>
        Object.assign(globalThis, { showDirectoryPicker: () => navigator.storage.getDirectory() }),
    });
    await shows(page, '#asset-state', /^2 files, 200 kB\.$/);
    const button = page.locator('button', { hasText: 'Save into a folder' });
    await button.focus();
    await page.keyboard.press('Enter');
    await shows(
      page,
      '#asset-state',
      /^All of it is in the folder “folder”, and checked: 2 files, 200 kB\.$/,
    );
    const text = await page.evaluate(async () => {
      const top = await navigator.storage.getDirectory();
      const sub = await (await top.getDirectoryHandle('folder')).getDirectoryHandle('sub');
      const handle = await sub.getFileHandle('two.txt');
      const writing = await handle.createWritable();
      await writing.write('mine');
      await writing.close();
      return (await handle.getFile()).text();
    });
    assert.equal(text, 'mine');
    await page.keyboard.press('Enter');
    await shows(page, '#problem', /something else in that folder.*sub\/two\.txt.*ERR_TARGET_EXISTS/is);

    const without = await openPage(`${site.url()}#${link}`, {
      before: () => Reflect.deleteProperty(globalThis, 'showDirectoryPicker'),
    });
    await shows(without, '#asset-state', /cannot save a folder as a whole: save its files one by one/);
    assert.equal(await without.locator('button', { hasText: 'Save into a folder' }).count(), 0);
  });

  it('shares a file that was chosen, with a link and a code, until it is told to stop', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await writeFile(nodes.path('mine.txt'), 'what I have');
    const seed = await nodes.start();
    const { cid } = await seed.share(nodes.path('mine.txt'));
    const page = await openPage(site.url());
    await shows(page, '#status-text', /Connected to nobody/);
    await page.setInputFiles('#files', nodes.path('mine.txt'));
    await shows(page, '#shared-state', /^11 bytes, shared for as long as this page is open/);
    assert.ok((await page.inputValue('#shared-link')).startsWith(`shoal:${cid}?n=mine.txt`));
    await shows(page, '#shared-reach', /shoal web/);
    assert.ok(((await page.getAttribute('#shared-qr svg', 'viewBox')) ?? '').length > 0);
    await page.click('#shared-stop');
    await shows(page, '#start-title', /./);
    await page.locator('#kept').waitFor({ state: 'hidden' });
  });

  it('says so when what it shares has changed: nobody can fetch it any more', async () => {
    const seed = await nodes.start({ web: true });
    await using site = await PageSite.start({ node: { network: 'test', addresses: seed.addresses } });
    await writeFile(nodes.path('mine.txt'), 'what I have');
    const page = await openPage(site.url());
    await shows(page, '#status-text', /Connected to 1 peer/);
    await page.setInputFiles('#files', nodes.path('mine.txt'));
    await shows(page, '#shared-state', /^11 bytes, shared/);
    const cid = /shoal:(\w+)/.exec(await page.inputValue('#shared-link'))?.[1] ?? '';
    await writeFile(nodes.path('mine.txt'), 'something else');
    await assert.rejects(seed.open(cid, { timeoutMs: 2000 }), { code: 'ERR_NO_PROVIDERS' });
    await shows(page, '#shared-state', /^No longer shared: it has changed\.$/);
    await page.locator('#shared-link').waitFor({ state: 'hidden' });
    await shows(page, '#problem', /The file has changed\s*mine\.txt is no longer.*Share it again/s);
    await page.click('#shared-stop');
    await page.locator('#problem').waitFor({ state: 'hidden' });
    await shows(page, '#start-title', /./);
  });

  it('shows only what is shared, where that was chosen while a link was looked for', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await writeFile(nodes.path('mine.txt'), 'what I have');
    const seed = await nodes.start({ web: true });
    const { cid, link } = await seed.share(pseudoRandomBytes(1000));
    const { cid: unknown } = await (await nodes.start()).share(pseudoRandomBytes(1001));
    const page = await openPage(`${site.url()}#${link.replace(cid, unknown)}`);
    await shows(page, '#asset-state', /Looking for somebody/);
    await page.setInputFiles('#files', nodes.path('mine.txt'));
    await shows(page, '#shared-state', /^11 bytes, shared/);
    // Told when the link is looked for no more.
    await page.waitForFunction('document.getElementById("storage").textContent !== ""');
    assert.ok(await page.isHidden('#start'));
    assert.ok(await page.isHidden('#asset'));
  });

  it('shares again after a reload what was picked, with its link, or as it is now', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url(), {
      // No test can use the browser's own dialog; the origin's private files have the same handles.
      before: () => {
        const picked = async (): Promise<FileSystemFileHandle> => {
          const top = await navigator.storage.getDirectory();
          return top.getFileHandle('mine.txt', { create: true });
        };
        Object.assign(globalThis, {
          showOpenFilePicker: async () => [await picked()],
          put: async (text: string) => {
            const writing = await (await picked()).createWritable();
            await writing.write(text);
            await writing.close();
          },
        });
      },
    });
    await page.evaluate('put("what I have")');
    await page.click('#choose');
    await shows(page, '#shared-state', /^11 bytes, shared for as long as this page is open/);
    const link = await page.inputValue('#shared-link');
    await page.reload();
    await page.focus('[aria-label="Show link: mine.txt"]');
    await page.keyboard.press('Enter');
    await shows(page, '#shared-state', /^11 bytes, shared/);
    assert.equal(await page.inputValue('#shared-link'), link);
    await page.evaluate('put("what I have now")');
    await page.reload();
    await shows(page, '#before-list .size', /^11 bytes, has changed since$/);
    await page.click('text=Share as it is now');
    await shows(page, '#shared-state', /^15 bytes, shared/);
    assert.notEqual(await page.inputValue('#shared-link'), link);
    await page.click('#shared-stop');
    await page.locator('#before').waitFor({ state: 'hidden' });
  });

  it('shares again what was not written since, and lists it, while other files are still read', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url(), {
      before: () => {
        const put = async (name: string, text: string): Promise<FileSystemFileHandle> => {
          const top = await navigator.storage.getDirectory();
          const file = await top.getFileHandle(name, { create: true });
          const writing = await file.createWritable();
          await writing.write(text);
          await writing.close();
          return file;
        };
        const name = sessionStorage.getItem('name') ?? 'slow.txt';
        const { promise: isRead, resolve } = Promise.withResolvers<void>();
        const { arrayBuffer } = Blob.prototype;
        Object.assign(globalThis, {
          put,
          read: resolve,
          showOpenFilePicker: async () => {
            const file = await put(name, name === 'slow.txt' ? 'what I have, and more' : 'what I have');
            sessionStorage.setItem('name', 'quick.txt');
            return [file];
          },
          holdReading: () => {
            Blob.prototype.arrayBuffer = async function () {
              if (this.size > 11) await isRead;
              return arrayBuffer.call(this);
            };
          },
        });
        if (sessionStorage.getItem('hold') !== null)
          (globalThis as unknown as { holdReading(): void }).holdReading();
      },
    });
    for (const name of ['slow.txt', 'quick.txt']) {
      await page.click('#choose');
      await shows(page, '#shared-name', new RegExp(name));
      await shows(page, '#shared-state', /^\d+ bytes, shared/);
      await page.reload();
    }
    await page.evaluate('put("slow.txt", "what I have, and less")');
    await page.evaluate('sessionStorage.setItem("hold", "yes")');
    await page.reload();
    const state = (name: string) => page.locator('#before-list li', { hasText: name }).locator('.size');
    await state('quick.txt')
      .filter({ hasText: /^11 bytes, shared$/ })
      .waitFor();
    assert.equal(await state('slow.txt').textContent(), '21 bytes, being looked at…');
    await page.evaluate('read()');
    await state('slow.txt')
      .filter({ hasText: /^21 bytes, has changed since$/ })
      .waitFor();
  });

  it('in a second tab shares what was picked as long as it is shown: nobody could stop it later', async () => {
    const seed = await nodes.start({ web: true });
    await using site = await PageSite.start({ node: { network: 'test', addresses: seed.addresses } });
    const first = await openPage(site.url());
    await shows(first, '#status-text', /Connected to 1 peer/);
    // The first is told to a screen reader; how many there are is not.
    assert.equal(await first.getAttribute('#status', 'aria-live'), 'polite');
    const another = await nodes.start({ web: true });
    const { link } = await another.share(pseudoRandomBytes(1000));
    await first.fill('#link', link);
    await first.click('#open');
    await shows(first, '#status-text', /Connected to 2 peers/);
    assert.equal(await first.getAttribute('#status', 'aria-live'), 'off');
    const second = await first.context().newPage();
    await second.addInitScript(letPickMine);
    await second.goto(site.url());
    await shows(second, '#storage', /until this page is closed/);
    await shows(second, '#status-text', /Connected to 1 peer/);
    await second.click('#choose');
    await shows(second, '#shared-state', /^11 bytes, shared/);
    const cid = /shoal:(\w+)/.exec(await second.inputValue('#shared-link'))?.[1] ?? '';
    await writeFile(nodes.path('other.txt'), 'something else');
    await second.setInputFiles('#files', nodes.path('other.txt'));
    await shows(second, '#shared-state', /^14 bytes, shared/);
    await assert.rejects(seed.open(cid, { timeoutMs: 2000 }), { code: 'ERR_NO_PROVIDERS' });
  });

  it('shares nothing that it was told to stop at the last moment', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url(), { before: letPickMine });
    await page.evaluate(() => {
      // Told when it is noted that the file is shared.
      const put = Reflect.get(IDBObjectStore.prototype, 'put');
      IDBObjectStore.prototype.put = function (value, key) {
        if (typeof key === 'string' && key.startsWith('share:')) {
          document.getElementById('shared-stop')?.click();
          Object.assign(globalThis, { isStopped: true });
        }
        return put.call(this, value, key);
      };
      Object.assign(globalThis, {
        isNoted: async () => {
          const opening = indexedDB.open('shoal');
          await new Promise((resolve) => (opening.onsuccess = resolve));
          const keys = opening.result.transaction('settings').objectStore('settings').getAllKeys();
          await new Promise((resolve) => (keys.onsuccess = resolve));
          opening.result.close();
          return keys.result.some((key) => typeof key === 'string' && key.startsWith('share:'));
        },
      });
    });
    await shows(page, '#status-text', /Connected to nobody/);
    await page.click('#choose');
    await page.waitForFunction('globalThis.isStopped && isNoted().then((isNoted) => !isNoted)');
    await page.locator('#shared').waitFor({ state: 'hidden' });
    await page.locator('#swarm').waitFor({ state: 'hidden' });
  });

  it('gives a file to another page, which finds it through the node of shoal web', async () => {
    await using scene = new Scene();
    const bytes = pseudoRandomBytes(2_000_000);
    await writeFile(nodes.path('mine.bin'), bytes);
    const web = scene.shoal('a', 'web', '--port', '0');
    const url = String((await web.waitFor('page'))['url']);
    const sharing = await openPage(url);
    await sharing.setInputFiles('#files', nodes.path('mine.bin'));
    await shows(sharing, '#shared-given', /Nobody has fetched it yet/);
    await sharing.waitForFunction(() =>
      document.querySelector<HTMLInputElement>('#shared-link')?.value.includes('&a='),
    );
    await sharing.locator('#shared-reach').waitFor({ state: 'hidden' });
    const link = await sharing.inputValue('#shared-link');
    const fetching = await openPage(`${url}#${link}`);
    await shows(fetching, '#asset-state', /All of it is here and checked: 2\.0 MB/);
    assert.ok((await savedFrom(fetching, '#asset-actions a')).bytes.equals(bytes));
    await shows(sharing, '#shared-given', /Given so far: 2\.0 MB to 1 peer\./);
    await shows(sharing, '#sources td', /^got 2\.0 MB$/);
  });

  it('is served by shoal web, with whose node it fetches what that has', async () => {
    await using scene = new Scene();
    await writeFile(nodes.path('kept.bin'), pseudoRandomBytes(500_000));
    const web = scene.shoal('a', 'web', '--port', '0');
    const { url } = await web.waitFor('page');
    const share = scene.shoal('a', 'share', nodes.path('kept.bin'));
    const { cid } = await share.waitFor('sharing');
    const page = await openPage(String(url));
    await shows(page, '#status-text', /Connected to 1 peer/);
    await page.fill('#link', String(cid));
    await page.click('#open');
    await shows(page, '#sources td', /^this site’s node$/);
    await shows(page, '#asset-state', /All of it is here and checked: 500 kB/);
    web.signal('SIGINT');
    assert.equal(await web.exit(), 0);
  });

  it('says what is wrong with a link', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url());
    await page.fill('#link', 'shoal:nonsense');
    await page.click('#open');
    await shows(page, '#problem', /no link of Shoal.*ERR_INVALID_CID/s);
    await page.click('#problem-close');
    await page.locator('#problem').waitFor({ state: 'hidden' });
    // As it is pasted, again too.
    for (let times = 0; times < 2; times++) {
      await page.fill('#link', 'shoal:a link');
      await page.click('#open');
      await shows(page, '#problem', /ERR_INVALID_CID/s);
      await page.click('#problem-close');
    }
    const seed = await nodes.start();
    const { link } = await seed.share(pseudoRandomBytes(1000));
    await page.fill('#link', link);
    await page.click('#open');
    await shows(page, '#problem', /cannot reach anybody.*ERR_NO_BROWSER_ADDRESS.*--no-web/s);
  });

  it('goes on where the link in its address was cut off', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(`${site.url()}#shoal%3Abafy%3Fn%`);
    await shows(page, '#problem', /no link of Shoal.*ERR_INVALID_CID/s);
    await shows(page, '#status-text', /Connected to nobody/);
    await page.click('#problem-close');
    await shows(page, '#start-title', /./);
  });

  it('says what is wrong with the browser, and what still works', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(await madeVideo(await rig.page(), 1), { name: 'film.webm' });

    const plain = await openPage(site.url('plain.test'));
    await shows(plain, '#problem', /insecure connection.*ERR_INSECURE_CONTEXT.*localhost/s);
    assert.ok(await plain.isHidden('#start'));

    const old = await openPage(site.url(), {
      before: () => Reflect.deleteProperty(Promise, 'withResolvers'),
    });
    await shows(old, '#problem', /too old.*ERR_UNSUPPORTED_PLATFORM/s);

    const noWebRtc = await openPage(site.url(), {
      before: () => Reflect.deleteProperty(globalThis, 'RTCPeerConnection'),
    });
    const [cid = '', query = ''] = link.split('?');
    const direct = query
      .split('&')
      .filter((part) => !part.startsWith('a=') || part.includes('webrtc-direct'));
    await noWebRtc.fill('#link', `${cid}?${direct.join('&')}`);
    await noWebRtc.click('#open');
    await shows(noWebRtc, '#problem', /no WebRTC.*ERR_NO_BROWSER_ADDRESS/s);

    // Without a service worker a film is shown once all of it is here.
    const noWorker = await openPage(`${site.url()}#${link}`, { context: { serviceWorkers: 'block' } });
    await noWorker.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    assert.match((await noWorker.getAttribute('video', 'src')) ?? '', /^blob:/);
    await shows(noWorker, '#problem', /Nothing can be played while it arrives.*ERR_SERVICE_WORKER/s);
  });

  it('keeps the focus where something happens, and shows one thing at a time, for who goes by keyboard', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const links: string[] = [];
    for (const name of ['one.bin', 'two.bin'])
      links.push((await seed.share(pseudoRandomBytes(1000, name.length + links.length), { name })).link);
    const { cid: unknown } = await (await nodes.start()).share(pseudoRandomBytes(1002));
    const page = await openPage(site.url());
    const isAt = (selector: string) =>
      page.waitForFunction((selector) => document.activeElement?.matches(selector), selector);
    for (const link of links) {
      await page.focus('#link');
      await page.keyboard.insertText(link);
      await page.keyboard.press('Enter');
      await shows(page, '#asset-state', /All of it is here/);
      await isAt('#asset-name');
      await page.focus('#asset-stop');
      await page.keyboard.press('Enter');
      await isAt('#start-title');
      await page.fill('#link', '');
    }
    for (const place of ['[aria-label="Remove two.bin"]', '#start-title']) {
      const before = await page.locator('#kept-list li').count();
      await page.locator('#kept-list button:last-child').first().focus();
      await page.keyboard.press('Enter');
      await page.waitForFunction(
        (before) => document.querySelectorAll('#kept-list li').length < before,
        before,
      );
      await isAt(place);
    }
    await page.evaluate(quicken);
    await page.focus('#link');
    await page.keyboard.insertText((links[0] ?? '').replace(/baf\w+/, unknown));
    await page.keyboard.press('Enter');
    await isAt('#asset-name');
    await isAt('#problem-title');
    assert.ok(await page.isVisible('#start'));
    await page.focus('#problem-again');
    await page.keyboard.press('Enter');
    await isAt('#asset-name');
    assert.ok(await page.isHidden('#start'));
    await isAt('#problem-title');
    await page.focus('#problem-close');
    await page.keyboard.press('Enter');
    await isAt('#start-title');
    await writeFile(nodes.path('mine.txt'), 'what I have');
    await page.focus('#choose');
    await page.setInputFiles('#files', nodes.path('mine.txt'));
    await isAt('#shared-name');
  });

  it('says so where a part of it did not come, and is loaded anew', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const context = await rig.context();
    contexts.push(context);
    const page = await context.newPage();
    // What the page's own script imports.
    const missing = '**/shoal.min.js';
    await page.route(missing, (route) => route.abort('connectionfailed'));
    await page.goto(site.url());
    await shows(page, '#problem', /A part of this page did not come.*away for a moment/s);
    assert.ok(await page.isHidden('#start'));
    await page.unroute(missing);
    await page.click('#problem-again');
    await shows(page, '#status-text', /Connected to nobody/);
    assert.ok(await page.isVisible('#start'));
    // What is loaded when it is used.
    await page.route('**/further-files*', (route) => route.abort('connectionfailed'));
    await writeFile(nodes.path('mine.txt'), 'what I have');
    await page.setInputFiles('#files', nodes.path('mine.txt'));
    await shows(page, '#problem', /A part of this page did not come.*load the page anew.*ERR_NOT_LOADED/s);
  });

  it('says what to do where none of its scripts came, nor the one that would say so', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const context = await rig.context();
    contexts.push(context);
    await context.route('**/*.js', (route) => route.abort('connectionfailed'));
    const page = await context.newPage();
    await page.goto(site.url());
    assert.ok(await page.isHidden('.late'));
    // A quarter of a minute later.
    await page.evaluate(() => document.getAnimations().forEach((each) => each.finish()));
    assert.match(await page.innerText('#status'), /^Starting… If nothing more comes, load this page anew\.$/);
  });

  it('tells how much is kept only where the browser knows', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url(), {
      before: () => {
        const tells: object[] = [{ usage: 2_000_000, quota: 5_000_000 }, { usage: 0 }];
        StorageManager.prototype.estimate = async () => tells.shift() ?? {};
      },
    });
    await shows(
      page,
      '#storage',
      /^What is fetched is kept in this browser \(2\.0 MB, with room for 3\.0 MB\) until/,
    );
    await page.evaluate(() => dispatchEvent(new HashChangeEvent('hashchange')));
    await shows(page, '#storage', /^What is fetched is kept in this browser until you remove it,/);
  });

  it('promises to keep what it fetches only where the browser does, and says so where that is gone', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const page = await openPage(site.url());
    await shows(page, '#storage', /until you remove it, or the browser needs the room\.$/);
    // What it keeps beside what browsers delete says that there was something.
    await page.evaluate(() => localStorage.setItem('shoal:kept', '1'));
    await page.addInitScript(() => (StorageManager.prototype.persisted = async () => true));
    await page.reload();
    await shows(
      page,
      '#storage',
      /until you remove it\. What was kept on an earlier visit is gone: the browser/,
    );
  });

  it('says so where there is not enough space, and keeps what it has', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(3_000_000));
    const page = await openPage(`${site.url()}#${link}`, {
      before: () => {
        Reflect.deleteProperty(StorageManager.prototype, 'getDirectory');
        StorageManager.prototype.estimate = async () => ({ quota: 1_000_000, usage: 1000 });
      },
    });
    await shows(page, '#problem', /not enough space.*ERR_NO_SPACE.*Remove something/s);
  });

  it('says when nobody who has it answers, and what was tried', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    await using scene = new Scene();
    await writeFile(nodes.path('gone.bin'), pseudoRandomBytes(1000));
    const share = scene.shoal('a', 'share', nodes.path('gone.bin'));
    const link = String((await share.waitFor('sharing'))['link']);
    share.signal('SIGKILL');
    await share.exit();
    const page = await openPage(site.url(), {
      before: quicken,
    });
    await page.fill('#link', link);
    await page.click('#open');
    await shows(page, '#problem', /Nobody who has this was found.*ERR_NO_PROVIDERS.*has to be running/s);
    await page.click('#problem-tried summary');
    await shows(page, '#problem-ways', /link/);
  });

  it('shows names as they are, however they are written, and none beyond its edge', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const long = `${'long'.repeat(50)}.bin`;
    await mkdir(nodes.path('folder'));
    await writeFile(nodes.path('folder', long), 'a');
    const { link } = await seed.share(nodes.path('folder'), { name: 'photo\u202egnp.exe' });
    const page = await openPage(`${site.url()}#${link}`, {
      context: { viewport: { width: 320, height: 640 } },
    });
    await page.click('#asset-files button');
    await shows(page, '#asset-state', /is here and checked/);
    assert.equal(await page.textContent('#asset-name'), 'photo\ufffdgnp.exe');
    assert.equal(await page.title(), 'photo\ufffdgnp.exe · Shoal');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await page.click('#asset-stop');
    await shows(page, '#kept-list .name', /^photo\ufffdgnp\.exe$/);
  });

  it('stands out from its ground, in the light and in the dark', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    await mkdir(nodes.path('folder'));
    await writeFile(nodes.path('folder', 'one.png'), 'one');
    const { link } = await seed.share(nodes.path('folder'));
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openPage(`${site.url()}#${link}`, { context: { colorScheme } });
      await shows(page, '#asset-state', /^1 file/);
      assert.deepEqual(await page.evaluate(faint), []);
      await page.click('#asset-stop');
      await shows(page, '#kept-list .size', /./);
      assert.deepEqual(await page.evaluate(faint), []);
      await page.setInputFiles('#files', { name: 'mine', mimeType: '', buffer: Buffer.from('mine') });
      await shows(page, '#shared-state', /shared for as long/);
      assert.deepEqual(await page.evaluate(faint), []);
      await page.goto(`${site.url()}#shoal:nonsense`);
      await shows(page, '#problem', /ERR_INVALID_CID/);
      assert.deepEqual(await page.evaluate(faint), []);
    }
  });

  it('fits a phone, and stands still for those who ask for it', async () => {
    await using site = await PageSite.start({ node: { network: 'test' } });
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(pseudoRandomBytes(2_000_000), { name: `${'long'.repeat(30)}.bin` });
    const page = await openPage(`${site.url()}#${link}`, {
      context: { viewport: { width: 320, height: 640 }, reducedMotion: 'reduce' },
    });
    await shows(page, '#asset-state', /All of it is here/);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    // Every piece has its colour, and nothing asks for another frame.
    const frames = await page.evaluate(async () => {
      let asked = 0;
      const { requestAnimationFrame } = globalThis;
      globalThis.requestAnimationFrame = (callback) => {
        asked++;
        return requestAnimationFrame.call(globalThis, callback);
      };
      for (let frame = 0; frame < 5; frame++)
        await new Promise((resolve) => requestAnimationFrame.call(globalThis, resolve));
      return asked;
    });
    assert.ok(frames <= 1, `${frames} frames were asked for`);
  });
});
