/** `npm run bench:browser-media`: see `USAGE`. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import { findChromium, FLAGS } from '../test/browser/chromium.ts';
import { madeVideo } from '../test/browser/made-video.ts';
import { PageSite } from '../test/browser/page-site.ts';
import { Child } from './process.ts';
import { Recorder } from './result.ts';

const USAGE = `npm run bench:browser-media -- [options]     (after npm run build)

A film from a node on this machine, played in headless Chromium through the service worker: how long until its first
frame is on the screen after its link was opened in the page of shoal web, and how long a seek takes to where nothing has
been fetched. Both also of the same film from a plain web server, in the same run.

  --repeats N  links opened, with a new browser profile each (default: 5)
  --seeks N    seeks (default: 20)
  --json FILE  where the result goes (default: benchmarks/results)
`;

/** Of the film: long enough for each seek to go beyond what was read ahead. */
const FILM_SECONDS = 10;
const FILM_TIMES = 60;

/** A web server with the film and a page that shows it, as bare as can be. */
async function plainServer(film: string): Promise<Server> {
  const { size } = await stat(film);
  const server = createServer((request, response) => {
    if (request.url !== '/film.webm') {
      response.setHeader('content-type', 'text/html').end('<!doctype html><video src="/film.webm"></video>');
      return;
    }
    const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), to === '' ? size - 1 : Number(to)];
    response.writeHead(206, {
      'Content-Type': 'video/webm',
      'Content-Range': `bytes ${start}-${end}/${size}`,
      'Content-Length': end - start + 1,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-store',
    });
    createReadStream(film, { start, end, highWaterMark: 1 << 20 }).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Resolves when a film shows a frame. @returns ms since the page began to load */
async function firstFrameMs(page: Page): Promise<number> {
  return page.evaluate(async () => {
    while (!document.querySelector('video')) await new Promise(requestAnimationFrame);
    const video = document.querySelector('video') as HTMLVideoElement;
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA)
      await new Promise((resolve) => video.addEventListener('loadeddata', resolve, { once: true }));
    return performance.now();
  });
}

/**
 * Opens the film from the plain server, and the link twice in one profile: the first time nothing of the page is there, the
 * second time all but the film.
 */
async function openings(
  executablePath: string,
  profile: string,
  urls: { plain: string; page: string },
  link: string,
): Promise<{ plain: number; first: number; again: number }> {
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
  try {
    const page = await context.newPage();
    await page.goto(urls.plain);
    const plain = await firstFrameMs(page);
    await page.goto(`${urls.page}#${link}`);
    const first = await firstFrameMs(page);
    await page.click('#asset-stop');
    await page.click('text=Remove');
    await page.goto('about:blank');
    await page.goto(`${urls.page}#${link}`);
    return { plain, first, again: await firstFrameMs(page) };
  } finally {
    await context.close();
  }
}

/** Seeks in the page's film, to and fro, and never twice to one place. @returns ms of each, until its frame is decoded */
async function seekMs(page: Page, count: number): Promise<number[]> {
  await firstFrameMs(page);
  return page.evaluate(async (count) => {
    const video = document.querySelector('video') as HTMLVideoElement;
    const times: number[] = [];
    for (let at = 0; at < count; at++) {
      const part = (at * 0.618 + 0.3) % 1;
      const started = performance.now();
      video.currentTime = part * (video.duration - 1);
      await new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
      times.push(performance.now() - started);
    }
    return times;
  }, count);
}

/** A page that fetches nothing but what its film asks for. */
async function seekablePage(context: BrowserContext, url: string, link: string): Promise<Page> {
  const page = await context.newPage();
  // Of that site, and of its page nothing.
  await page.goto(new URL('/not-started.js', url).href);
  await page.evaluate(async (link) => {
    const script = '/shoal.min.js';
    const { createShoal, serveMedia } = (await import(script)) as typeof shoalOfPage;
    const shoal = await createShoal();
    const media = await serveMedia(shoal);
    const video = document.createElement('video');
    document.body.replaceChildren(video);
    video.src = media.url(await shoal.open(link));
  }, link);
  return page;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      repeats: { type: 'string', default: '5' },
      seeks: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium found: install it, or name it in $CHROMIUM');
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'));
  await using site = await PageSite.start();
  try {
    const context = await chromium.launchPersistentContext(join(folder, 'seeks'), {
      executablePath,
      args: FLAGS,
    });
    try {
      const film = join(folder, 'film.webm');
      const drawing = await context.newPage();
      await drawing.goto(site.url());
      await writeFile(film, await madeVideo(drawing, FILM_SECONDS, FILM_TIMES));
      await drawing.close();
      await using seed = new Child('seed.ts', [film, join(folder, 'data'), 'web']);
      const { link } = await seed.hear<{ link: string }>();
      const plain = await plainServer(film);
      const urls = {
        plain: `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`,
        page: site.url(),
      };
      const opened: Awaited<ReturnType<typeof openings>>[] = [];
      for (let run = 0; run < Number(values.repeats); run++)
        opened.push(await openings(executablePath, join(folder, `profile-${run}`), urls, link));
      const plainPage = await context.newPage();
      await plainPage.goto(urls.plain);
      const plainSeeks = await seekMs(plainPage, Number(values.seeks));
      await plainPage.close();
      const seeks = await seekMs(await seekablePage(context, urls.page, link), Number(values.seeks));
      await seed.stop();
      plain.closeAllConnections();
      plain.close();
      const recorder = new Recorder();
      const name = 'a plain web server';
      const plainOpened = opened.map(({ plain }) => plain);
      const lines = [
        [
          'first frame after opening a link, first visit',
          opened.map(({ first }) => first),
          1500,
          plainOpened,
        ],
        [
          'first frame after opening a link, later visit',
          opened.map(({ again }) => again),
          1500,
          plainOpened,
        ],
        ['seek to what is not here', seeks, 300, plainSeeks],
      ] as const;
      for (const [what, values, asked, bound] of lines)
        recorder.add({
          name: what,
          unit: 'ms',
          better: 'less',
          values,
          asked,
          bound: { name, values: bound },
        });
      recorder.write('browser-media', values.json);
    } finally {
      await context.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
