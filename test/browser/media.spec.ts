import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type { PageAsset, PageMedia, PageShoal } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import type { Shoal } from '../../src/index.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, needChromium } from './chromium.ts';
import { madeSound, madeVideo, SHADE_STEP } from './made-video.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  var media: PageMedia;
  var asset: PageAsset;
  /** Resolves when no stream of an asset is being read any more; `opened` counts them, and `listed` who looked through its entries. */
  var streams: { opened: number; listed: number; ended: Promise<void> };
  var problems: string[];
}

/** Opens the link in the page and serves media. What `streams` knows is counted at the public API. */
async function serve(page: Page, link: string): Promise<void> {
  await page.evaluate(async (link) => {
    globalThis.node = await shoal.createShoal({ network: 'test' });
    let reading = 0;
    let ended = Promise.withResolvers<void>();
    const counted = (asset: PageAsset): PageAsset =>
      new Proxy(asset, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name === 'entries') globalThis.streams.listed++;
          if (name !== 'stream') return typeof value === 'function' ? value.bind(target) : value;
          return async function* (options: shoalOfPage.StreamOptions) {
            globalThis.streams.opened++;
            if (reading++ === 0) globalThis.streams.ended = (ended = Promise.withResolvers<void>()).promise;
            try {
              yield* target.stream(options);
            } finally {
              if (--reading === 0) ended.resolve();
            }
          };
        },
      });
    const watched = new Proxy(globalThis.node, {
      get(target, name) {
        if (name === 'open')
          return async (link: string, options: shoalOfPage.OpenOptions) =>
            counted(await target.open(link, options));
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    globalThis.streams = { opened: 0, listed: 0, ended: Promise.resolve() };
    globalThis.problems = [];
    globalThis.media = await shoal.serveMedia(watched, {
      onError: ({ error }) => globalThis.problems.push((error as shoalOfPage.ShoalError).code),
    });
    globalThis.asset = await globalThis.node.open(link);
  }, link);
}

/** What an address is answered with. */
async function ask(
  page: Page,
  url: string,
  init: { method?: string; headers?: Record<string, string> } = {},
) {
  return page.evaluate(
    async ([url, init]) => {
      const response = await fetch(url, init);
      const body = new Uint8Array(await response.arrayBuffer());
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        bytes: body.byteLength,
        hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
        text: body.byteLength < 1000 ? new TextDecoder().decode(body) : '',
      };
    },
    [url, init] as const,
  );
}

async function hashOf(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

describe('media in Chromium', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  let seed: Shoal;
  let page: Page;
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  // Nodes are closed when no browser sends them anything any more.
  const used: TestNodes[] = [];
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
    for (const each of used) await each[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    nodes = await TestNodes.create();
    used.push(nodes);
    seed = await nodes.start({ web: true });
    page = await rig.page();
  });
  afterEach(() => page.context().close());

  const urlOf = (path?: string): Promise<string> =>
    page.evaluate((path) => globalThis.media.url(globalThis.asset, path), path);

  it('answers with the whole file, with parts of it, and with what HTTP says where there is no such part', async () => {
    const bytes = pseudoRandomBytes(3_000_001);
    const { link, cid } = await seed.share(bytes, { name: 'noise.bin' });
    await serve(page, link);
    const url = await urlOf();
    const part = async (range: string) => ask(page, url, { headers: { range } });

    const whole = await ask(page, url);
    assert.equal(whole.status, 200);
    assert.equal(whole.hash, await hashOf(bytes));
    assert.equal(whole.headers['content-length'], '3000001');
    assert.equal(whole.headers['content-type'], 'application/octet-stream');
    assert.equal(whole.headers['accept-ranges'], 'bytes');
    assert.equal(whole.headers['etag'], `"${cid}"`);

    const middle = await part('bytes=1000000-1999999');
    assert.equal(middle.status, 206);
    assert.equal(middle.headers['content-range'], 'bytes 1000000-1999999/3000001');
    assert.equal(middle.hash, await hashOf(bytes.subarray(1_000_000, 2_000_000)));
    assert.equal((await part('bytes=-5')).hash, await hashOf(bytes.subarray(-5)));
    assert.equal((await part('bytes=2999990-9999999')).bytes, 11);

    const beyond = await part('bytes=3000001-');
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers['content-range'], 'bytes */3000001');

    const head = await ask(page, url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.bytes, head.headers['content-length']], [200, 0, '3000001']);
    assert.equal((await ask(page, url, { method: 'POST' })).status, 405);
  });

  it('finds files in folders by percent-encoded names, and says what is wrong with a path', async () => {
    await mkdir(nodes.path('site', 'sub folder'), { recursive: true });
    await writeFile(nodes.path('site', 'sub folder', 'ä & b?#%.txt'), 'found');
    await writeFile(nodes.path('site', 'empty.txt'), '');
    const { link, cid } = await seed.share(nodes.path('site'));
    await serve(page, link);
    const found = await ask(page, await urlOf('sub folder/ä & b?#%.txt'));
    assert.deepEqual([found.status, found.text], [200, 'found']);
    assert.equal(found.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal((await ask(page, await urlOf('empty.txt'))).bytes, 0);
    for (const [path, status, message] of [
      [cid, 404, /is a directory; name a file/],
      [`${cid}/sub%20folder/`, 404, /is a directory; name a file/],
      [`${cid}/nothing.txt`, 404, /has no file "nothing.txt"/],
      [`${cid}/sub%20folder%2Fempty.txt`, 404, /ERR_ENTRY_NOT_FOUND/],
      [`${cid}/%ff`, 400, /percent-encoded/],
      ['notacid/a', 400, /ERR_INVALID_CID/],
      ['', 400, /no CID/],
    ] as const) {
      const { status: got, text } = await ask(page, `/shoal/${path}`);
      assert.equal(got, status, path);
      assert.match(text, message);
    }
    assert.equal(await page.evaluate(() => globalThis.problems.length), 7);
  });

  it('looks a file up once, however many parts of it are asked for', async () => {
    await mkdir(nodes.path('album'));
    await writeFile(nodes.path('album', 'a.bin'), 'what is in it');
    const { link } = await seed.share(nodes.path('album'));
    await serve(page, link);
    const url = await urlOf('a.bin');
    for (const range of ['bytes=0-3', 'bytes=5-6', 'bytes=8-'])
      assert.equal((await ask(page, url, { headers: { range } })).status, 206);
    assert.equal(await page.evaluate(() => globalThis.streams.listed), 1);
  });

  it('gives a file an address whatever name its link has', async () => {
    const { link } = await seed.share(pseudoRandomBytes(100), { name: 'plain' });
    await serve(page, link);
    for (const name of ['a/b.mp4', '/../x', '..', 'a\\b?#%', `${'é'.repeat(254)}🐟.mp4`]) {
      const url = await page.evaluate(
        async (link) => globalThis.media.url(await globalThis.node.open(link)),
        link.replace('n=plain', `n=${encodeURIComponent(name)}`),
      );
      const { status, bytes } = await ask(page, url);
      assert.deepEqual([name, status, bytes], [name, 200, 100]);
    }
  });

  it('plays a film from the swarm and seeks in it', async () => {
    const film = await madeVideo(page, 10);
    const { link } = await seed.share(film, { name: 'film.webm' });
    await serve(page, link);
    const seen = await page.evaluate(async () => {
      const video = document.createElement('video');
      video.muted = true;
      document.body.append(video);
      const told = (event: string): Promise<unknown> =>
        new Promise((resolve, reject) => {
          video.addEventListener(event, resolve, { once: true });
          video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
        });
      const shade = (): number => {
        const canvas = new OffscreenCanvas(16, 16);
        const draw = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
        draw.drawImage(video, 0, 0, 64, 16, 0, 0, 16, 16);
        return draw.getImageData(4, 4, 1, 1).data[0] ?? -1;
      };
      video.src = globalThis.media.url(globalThis.asset);
      await told('loadeddata');
      const first = shade();
      const playing = told('timeupdate');
      await video.play();
      await playing;
      video.pause();
      const shades: number[] = [];
      // 'seeked' may come before the frame of that time is there to be drawn, on a machine that is busy.
      const shown = (second: number): Promise<void> =>
        new Promise((resolve) => {
          const look: VideoFrameRequestCallback = (_now, { mediaTime }) => {
            if (Math.floor(mediaTime) === second) resolve();
            else video.requestVideoFrameCallback(look);
          };
          video.requestVideoFrameCallback(look);
        });
      for (const time of [7.5, 2.5, 9.5]) {
        const frame = shown(Math.floor(time));
        video.currentTime = time;
        await Promise.all([told('seeked'), frame]);
        shades.push(shade());
      }
      return { first, duration: video.duration, width: video.videoWidth, shades };
    });
    assert.equal(seen.duration, 10);
    assert.equal(seen.width, 320);
    // Browsers differ in how they map greys; each frame is the one of its second if they are in that order.
    const [seventh = 0, second = 0, ninth = 0] = seen.shades;
    const shades = [seen.first, second, seventh, ninth];
    for (const [at, shade] of shades.slice(1).entries())
      assert.ok(shade - (shades[at] ?? 0) > SHADE_STEP, `shades ${shades.join(' ')}`);
  });

  it('fetches no more than is played of a sound, and stops when its element does', async () => {
    const sound = madeSound(6000);
    const { link, cid } = await seed.share(sound, { name: 'long.wav' });
    await serve(page, link);
    const seen = await page.evaluate(async () => {
      const audio = document.createElement('audio');
      const told = (event: string): Promise<unknown> =>
        new Promise((resolve) => audio.addEventListener(event, resolve, { once: true }));
      audio.src = globalThis.media.url(globalThis.asset);
      await told('canplay');
      const { duration } = audio;
      audio.currentTime = 5000;
      await told('seeked');
      audio.removeAttribute('src');
      audio.load();
      await globalThis.streams.ended;
      const known = await Array.fromAsync(globalThis.node.list());
      return { duration, opened: globalThis.streams.opened, known };
    });
    assert.equal(seen.duration, 6000);
    assert.ok(seen.opened >= 2);
    const here = seen.known.find((each) => each.cid === cid)?.bytesHere ?? Infinity;
    assert.ok(here < sound.byteLength / 2, `${here} of ${sound.byteLength} bytes were fetched`);
  });

  it('asks the swarm for no more while nobody reads, and for nothing once reading has ended', async () => {
    const bytes = pseudoRandomBytes(80 << 20);
    const { link, cid } = await seed.share(bytes, { name: 'big.bin' });
    await serve(page, link);
    const here = await page.evaluate(async () => {
      const response = await fetch(globalThis.media.url(globalThis.asset));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      await reader.cancel();
      await globalThis.streams.ended;
      const [known] = await Array.fromAsync(globalThis.node.list());
      const stop = new AbortController();
      const aborted = fetch(globalThis.media.url(globalThis.asset), { signal: stop.signal });
      stop.abort();
      const how = await aborted.catch((error: Error) => error.name);
      await globalThis.streams.ended;
      return { bytes: known?.bytesHere, cid: known?.cid, how };
    });
    assert.equal(here.cid, cid);
    assert.equal(here.how, 'AbortError');
    assert.ok((here.bytes ?? Infinity) < bytes.byteLength / 2, `${here.bytes} bytes were fetched`);
  });

  it('shows images, and runs nothing that comes from the swarm', async () => {
    await mkdir(nodes.path('site'));
    const script = 'parent.postMessage("ran", "*"); globalThis.ran = true; localStorage.ran = "yes";';
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>${script}</script></svg>`;
    await writeFile(nodes.path('site', 'evil.js'), script);
    await writeFile(nodes.path('site', 'evil.html'), `<!doctype html><script>${script}</script>`);
    await writeFile(nodes.path('site', 'evil.svg'), svg);
    await writeFile(nodes.path('site', 'evil.css'), 'body { color: rgb(1, 2, 3); }');
    await writeFile(nodes.path('site', 'evil.txt'), `<script>${script}</script>`);
    const { link } = await seed.share(nodes.path('site'));
    await serve(page, link);
    const seen = await page.evaluate(async () => {
      const url = (path: string): string => globalThis.media.url(globalThis.asset, path);
      const outcome = (element: HTMLElement): Promise<string> =>
        new Promise((resolve) => {
          for (const event of ['load', 'error'])
            element.addEventListener(event, () => resolve(event), { once: true });
          document.body.append(element);
        });
      const image = Object.assign(document.createElement('img'), { src: url('evil.svg') });
      const asImage = await outcome(image);
      const asScript = await outcome(
        Object.assign(document.createElement('script'), { src: url('evil.js'), type: 'module' }),
      );
      const asStyle = await outcome(
        Object.assign(document.createElement('link'), { href: url('evil.css'), rel: 'stylesheet' }),
      );
      const worker = new Worker(url('evil.js'));
      const asWorker = await new Promise((resolve) => {
        worker.onerror = () => resolve('error');
        worker.onmessage = () => resolve('ran');
      });
      const imported = await import(url('evil.js')).then(
        () => 'ran',
        () => 'error',
      );
      return { asImage, width: image.naturalWidth, asScript, asStyle, asWorker, imported };
    });
    assert.deepEqual(seen, {
      asImage: 'load',
      width: 40,
      asScript: 'error',
      asStyle: 'error',
      asWorker: 'error',
      imported: 'error',
    });
    for (const path of ['evil.html', 'evil.svg', 'evil.js']) {
      const url = await urlOf(path);
      const { headers } = await ask(page, url);
      assert.match(headers['content-disposition'] ?? '', /^attachment; filename\*=UTF-8''evil/);
      assert.match(headers['content-security-policy'] ?? '', /^sandbox;/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      const tab = await page.context().newPage();
      const saved = tab.waitForEvent('download');
      await tab.goto(url).catch(() => undefined);
      assert.equal((await saved).suggestedFilename(), path);
      await tab.close();
    }
    // A text is shown, as a document without an origin.
    const tab = await page.context().newPage();
    await tab.goto(await urlOf('evil.txt'));
    assert.equal(await tab.evaluate(() => self.origin), 'null');
    assert.match(await tab.evaluate(() => document.body.textContent ?? ''), /^<script>/);
    assert.equal(await page.evaluate(() => globalThis.localStorage.getItem('ran')), null);
    assert.equal(await page.evaluate(() => 'ran' in globalThis), false);
  });

  it('lets no other site decide what is looked for: a tab that is sent to what no page opened is refused', async () => {
    const { cid } = await seed.share(pseudoRandomBytes(1000));
    const { link } = await seed.share(pseudoRandomBytes(2000));
    await serve(page, link);
    const tab = await page.context().newPage();
    const response = await tab.goto(new URL(`/shoal/${cid}`, page.url()).href);
    assert.equal(response?.status(), 403);
    assert.match(await tab.evaluate(() => document.body.textContent ?? ''), /ERR_NOT_OPENED/);
  });

  it('shows in a tab what any page of the site opened, whichever of two pages with nodes is asked first', async () => {
    const other = await rig.page({ context: page.context() });
    for (const each of [page, other]) {
      const bytes = pseudoRandomBytes(1000);
      const { link } = await seed.share(bytes, { name: 'text.txt' });
      await serve(each, link);
    }
    for (const each of [page, other]) {
      const url = await each.evaluate(() => globalThis.media.url(globalThis.asset));
      const tab = await page.context().newPage();
      const response = await tab.goto(new URL(url, page.url()).href);
      assert.equal(response?.status(), 200);
      await tab.close();
    }
    assert.deepEqual(await page.evaluate(() => globalThis.problems), []);
    assert.deepEqual(await other.evaluate(() => globalThis.problems), []);
  });

  it('answers other pages of the site while a page with a node is open, and says so when none is', async () => {
    const bytes = pseudoRandomBytes(40 << 20);
    const { link } = await seed.share(bytes, { name: 'shared.bin' });
    await serve(page, link);
    const url = await urlOf();
    const other = await page.context().newPage();
    await other.goto(page.url());
    const part = await ask(other, url, { headers: { range: 'bytes=10-19' } });
    assert.deepEqual([part.status, part.hash], [206, await hashOf(bytes.subarray(10, 20))]);
    await other.evaluate(async (url) => {
      const { body } = await fetch(url);
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      Object.assign(globalThis, {
        rest: (async () => {
          while (!(await reader.read()).done);
        })().then(
          () => 'all of it came',
          (error: Error) => error.name,
        ),
      });
    }, url);
    seed.setLimits({ uploadBytesPerSec: 1 });
    await page.close();
    assert.equal(await other.evaluate('rest'), 'TypeError');
    const none = await ask(other, url);
    assert.equal(none.status, 503);
    assert.match(none.text, /serveMedia.*ERR_NO_NODE/);
    // The test's end closes what is left of it.
    page = other;
  });

  it('goes on when the browser has ended the service worker', async () => {
    const bytes = pseudoRandomBytes(100_000);
    const { link } = await seed.share(bytes, { name: 'again.bin' });
    await serve(page, link);
    const url = await urlOf();
    assert.equal((await ask(page, url)).status, 200);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('ServiceWorker.enable');
    await devtools.send('ServiceWorker.stopAllWorkers');
    assert.equal((await ask(page, url)).hash, await hashOf(bytes));
  });

  it('lets go of what was being read when the browser ended the service worker, and plays on', async () => {
    const { link } = await seed.share(madeSound(6000), { name: 'long.wav' });
    await serve(page, link);
    const duration = await page.evaluate(async () => {
      const audio = Object.assign(document.createElement('audio'), { id: 'sound' });
      document.body.append(audio);
      audio.src = globalThis.media.url(globalThis.asset);
      await new Promise((resolve) => audio.addEventListener('canplay', resolve, { once: true }));
      return audio.duration;
    });
    assert.equal(duration, 6000);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('ServiceWorker.enable');
    await devtools.send('ServiceWorker.stopAllWorkers');
    await page.evaluate(() => globalThis.streams.ended);
    const at = await page.evaluate(async () => {
      const audio = document.querySelector('audio') as HTMLAudioElement;
      const outcome = new Promise((resolve) => {
        audio.addEventListener('seeked', () => resolve(audio.currentTime), { once: true });
        audio.addEventListener('error', () => resolve(audio.error?.message), { once: true });
      });
      audio.currentTime = 4000;
      return outcome;
    });
    assert.equal(at, 4000);
  });

  it('takes charge of a page that was loaded past the service worker', async () => {
    const { link } = await seed.share(pseudoRandomBytes(1000), { name: 'a.bin' });
    await serve(page, link);
    const devtools = await page.context().newCDPSession(page);
    const loaded = page.waitForEvent('load');
    await devtools.send('Page.reload', { ignoreCache: true });
    await loaded;
    assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null);
    await page.evaluate('import("/shoal.js").then((shoal) => { globalThis.shoal = shoal; })');
    await serve(page, link);
    assert.equal((await ask(page, await urlOf())).bytes, 1000);
  });

  it('says why where no service worker can run', async () => {
    const failure = (page: Page, worker: string) =>
      page.evaluate(async (worker) => {
        try {
          await shoal.serveMedia({} as PageShoal, { worker });
          return 'none';
        } catch (error) {
          const { code, message } = error as shoalOfPage.ShoalError;
          return `${code} ${message}`;
        }
      }, worker);
    assert.match(
      await failure(page, '/nothing-there.js'),
      /^ERR_SERVICE_WORKER .*nothing-there\.js.*shoal-sw/,
    );
    assert.match(await failure(page, '/below/shoal-sw.js'), /^ERR_SERVICE_WORKER /);
    const plain = await rig.page({ host: 'plain.test' });
    assert.match(await failure(plain, '/shoal-sw.js'), /^ERR_INSECURE_CONTEXT .*https/);
    const without = await rig.page({
      before: () => Reflect.deleteProperty(Navigator.prototype, 'serviceWorker'),
    });
    assert.match(await failure(without, '/shoal-sw.js'), /^ERR_UNSUPPORTED_PLATFORM .*private window/);
  });
});
