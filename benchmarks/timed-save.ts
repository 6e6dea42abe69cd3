import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';

declare const shoal: typeof shoalOfPage;

/** ms in which a page fetches what a link names, verified and in its files; it is removed again. */
export async function timedSave(page: Page, link: string): Promise<number> {
  const { ms, kind } = await page.evaluate(async (link) => {
    await using node = await shoal.createShoal();
    const { kind } = await node.storage();
    const asset = await node.open(link);
    const started = performance.now();
    await asset.save({ timeoutMs: 60_000 });
    const ms = performance.now() - started;
    await node.remove(asset.cid);
    return { ms, kind };
  }, link);
  if (kind !== 'opfs') throw new Error(`the page kept it in ${kind}, not in files`);
  return ms;
}
