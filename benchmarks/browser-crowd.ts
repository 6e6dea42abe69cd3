import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import type { BrowserRig } from '../test/browser/chromium.ts';
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
  /** Most that the seed, and each page, uploads. */
  bytesPerSec: number;
  /** After how many bytes the seed is killed. Default: never. */
  seedDiesAfter?: number;
}

/** What came of it. */
export interface PageCrowdOutcome {
  /** From the signal until the last page that finished had all of it. */
  lastMs: number;
  finished: number;
}

/**
 * The least time in which all pages can have the file (Kumar and Ross): no faster than the seed sends it once, and than
 * all of them together send it to each.
 */
export function crowdBoundMs({ bytes, pages, bytesPerSec }: PageCrowd): number {
  return Math.max(bytes / bytesPerSec, (pages * bytes) / ((pages + 1) * bytesPerSec)) * 1000;
}

/** Pages that know one seed, each with a storage of its own in one Chromium, fetch a file from it and from each other. */
export async function pageCrowd(
  rig: BrowserRig,
  crowd: PageCrowd,
  folder: string,
): Promise<PageCrowdOutcome> {
  const dataDir = join(folder, 'crowd-seed');
  const args = [crowd.file, dataDir, 'web', String(crowd.bytesPerSec)];
  if (crowd.seedDiesAfter !== undefined) args.push(String(Math.round(crowd.seedDiesAfter)));
  await using seed = new Child('seed.ts', args);
  const { link } = await seed.hear<{ link: string }>();
  const pages = await Promise.all(Array.from({ length: crowd.pages }, () => rig.page()));
  try {
    await Promise.all(pages.map((page) => meet(page, link, crowd.bytesPerSec)));
    const started = performance.now();
    const ends = await Promise.allSettled(pages.map((page) => fetchWhole(page, link)));
    const endedMs = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    for (const end of ends) if (end.status === 'rejected') process.stderr.write(`${String(end.reason)}\n`);
    if (endedMs.length === 0) throw new Error('no page of the crowd finished');
    return { lastMs: Math.max(...endedMs) - started, finished: endedMs.length };
  } finally {
    await Promise.all(pages.map((page) => page.context().close()));
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
      globalThis.member.setLimits({ uploadBytesPerSec });
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
