import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import type { BrowserRig } from '../test/browser/chromium.ts';
import { bareSpeed } from './bare-channels.ts';
import { Child } from './process.ts';

declare const shoal: typeof shoalOfPage;
declare global {
  /** The node of a page of the crowd. */
  var member: shoalOfPage.PageShoal;
}

/** What a crowd of pages fetches. */
export interface PageCrowd {
  file: string;
  bytes: number;
  pages: number;
  /** Most that the seed uploads. */
  bytesPerSec: number;
  /** Most that each page uploads. Infinity: no limit. */
  pageBytesPerSec: number;
  /** After how many bytes the seed is killed. Default: never. */
  seedDiesAfter?: number;
}

/** What came of it. */
export interface PageCrowdOutcome {
  /** From the signal until the last page that finished had all of it. */
  lastMs: number;
  finished: number;
  /** MB/s in all that the same pages move right after that over bare data channels, each to the next. */
  bareMbPerSec: number;
}

/** How long that is measured: time in which the pages move as much as in the crowd, or nearly. */
const BARE_MS = 8000;

/**
 * The least time in which all pages can have the file (Kumar and Ross): no faster than the seed sends it once, and than
 * all of them together send it to each.
 */
export function crowdBoundMs({ bytes, pages, bytesPerSec, pageBytesPerSec }: PageCrowd): number {
  const together = (pages * bytes) / (bytesPerSec + pages * pageBytesPerSec);
  return Math.max(bytes / bytesPerSec, together) * 1000;
}

/**
 * Pages that know one seed fetch a file from it and from each other. Each is of a site of its own, and so a process with
 * files of its own.
 *
 * @param context one with a profile: in those that are like private windows the browser's main process keeps the files
 */
export async function pageCrowd(
  rig: BrowserRig,
  context: BrowserContext,
  crowd: PageCrowd,
  folder: string,
): Promise<PageCrowdOutcome> {
  const dataDir = join(folder, 'crowd-seed');
  const args = [crowd.file, dataDir, 'web', String(crowd.bytesPerSec)];
  if (crowd.seedDiesAfter !== undefined) args.push(String(Math.round(crowd.seedDiesAfter)));
  await using seed = new Child('seed.ts', args);
  const { link } = await seed.hear<{ link: string }>();
  const pages = await Promise.all(
    Array.from({ length: crowd.pages }, (_, i) => rig.page({ context, host: `page-${i}.localhost` })),
  );
  try {
    await Promise.all(pages.map((page) => meet(page, link, crowd.pageBytesPerSec)));
    const started = performance.now();
    const ends = await Promise.allSettled(pages.map((page) => fetchWhole(page, link)));
    const endedMs = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    for (const end of ends) if (end.status === 'rejected') process.stderr.write(`${String(end.reason)}\n`);
    if (endedMs.length === 0) throw new Error('no page of the crowd finished');
    await Promise.all(pages.map((page) => page.evaluate(leave)));
    const ring = pages.map((page, i) => [page, pages[(i + 1) % pages.length] as Page] as const);
    return {
      lastMs: Math.max(...endedMs) - started,
      finished: endedMs.length,
      bareMbPerSec: await bareSpeed(ring, BARE_MS),
    };
  } finally {
    await Promise.all(pages.map((page) => page.close()));
    await seed[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Starts a node that others can reach through the seed. */
async function meet(page: Page, link: string, uploadBytesPerSec: number): Promise<void> {
  const direct = new URLSearchParams(link.split('?')[1])
    .getAll('a')
    .find((each) => each.includes('/webrtc-direct/'));
  await page.evaluate(
    async ([direct = '', uploadBytesPerSec]) => {
      globalThis.member = await shoal.createShoal({ peers: [direct] });
      if (uploadBytesPerSec !== Infinity) globalThis.member.setLimits({ uploadBytesPerSec });
      while (globalThis.member.addresses.length === 0) {
        await new Promise((resolve) =>
          globalThis.member.addEventListener('addresses:change', resolve, { once: true }),
        );
      }
    },
    [direct, uploadBytesPerSec] as const,
  );
}

/** @returns when the page had it */
async function fetchWhole(page: Page, link: string): Promise<number> {
  await page.evaluate(async (link) => {
    const asset = await globalThis.member.open(link);
    await asset.save({ timeoutMs: 60_000 });
  }, link);
  return performance.now();
}

/** Ends the page's node, and takes what it kept. */
async function leave(): Promise<void> {
  for await (const { cid } of globalThis.member.list()) await globalThis.member.remove(cid);
  await globalThis.member.close();
}
