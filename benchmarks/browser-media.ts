/** `npm run bench:browser-media`: see `USAGE`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
been fetched.

  --repeats N  links opened, with a new browser profile each (default: 5)
  --seeks N    seeks (default: 20)
  --json FILE  where the result goes (default: benchmarks/results)
`;

/** Of the film: long enough for each seek to go beyond what was read ahead. */
const FILM_SECONDS = 10;
const FILM_TIMES = 60;

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

/** Opens the link twice in one profile: the first time nothing of the page is there, the second time all but the film. */
async function openings(
  executablePath: string,
  profile: string,
  url: string,
  link: string,
): Promise<{ first: number; again: number }> {
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
  try {
    const page = await context.newPage();
    await page.goto(`${url}#${link}`);
    const first = await firstFrameMs(page);
    await page.click('#asset-stop');
    await page.click('text=Remove');
    await page.goto('about:blank');
    await page.goto(`${url}#${link}`);
    return { first, again: await firstFrameMs(page) };
  } finally {
    await context.close();
  }
}

/** Seeks in a page that fetches nothing but what its film asks for. @returns ms of each seek, until its frame is decoded */
async function seekMs(context: BrowserContext, url: string, link: string, count: number): Promise<number[]> {
  const page = await context.newPage();
  await page.goto(new URL('/old-browser.js', url).href);
  return page.evaluate(
    async ([link, count]) => {
      const script = '/shoal.min.js';
      const { createShoal, serveMedia } = (await import(script)) as typeof shoalOfPage;
      const shoal = await createShoal();
      const media = await serveMedia(shoal);
      const video = document.createElement('video');
      document.body.replaceChildren(video);
      video.src = media.url(await shoal.open(link));
      await new Promise((resolve) => video.addEventListener('loadeddata', resolve, { once: true }));
      const times: number[] = [];
      for (let at = 0; at < count; at++) {
        // To and fro, and never twice to one place.
        const part = (at * 0.618 + 0.3) % 1;
        const started = performance.now();
        video.currentTime = part * (video.duration - 1);
        await new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
        times.push(performance.now() - started);
      }
      await shoal.close();
      return times;
    },
    [link, count] as const,
  );
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
      const opened = [];
      for (let run = 0; run < Number(values.repeats); run++)
        opened.push(await openings(executablePath, join(folder, `profile-${run}`), site.url(), link));
      const seeks = await seekMs(context, site.url(), link, Number(values.seeks));
      await seed.stop();
      const recorder = new Recorder();
      const lines = [
        ['first frame after opening a link, first visit', opened.map(({ first }) => first), 1500],
        ['first frame after opening a link, later visit', opened.map(({ again }) => again), 1500],
        ['seek to what is not here', seeks, 300],
      ] as const;
      for (const [name, values, asked] of lines)
        recorder.add({ name, unit: 'ms', better: 'less', values, asked });
      recorder.write('browser-media', values.json);
    } finally {
      await context.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
