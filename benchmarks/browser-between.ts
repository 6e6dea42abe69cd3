import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import { timedSave } from './timed-save.ts';

declare const shoal: typeof shoalOfPage;
declare global {
  var sharing: shoalOfPage.PageShoal;
}

/**
 * MB/s at which a page fetches a file that another page shares where it lies, verified and in its files.
 *
 * @param relay address of the node by which they meet
 */
export async function fetchBetween(
  from: Page,
  to: Page,
  file: string,
  bytes: number,
  relay: string,
): Promise<number> {
  await from.setContent('<input type="file">');
  await from.setInputFiles('input', file);
  const link = await from.evaluate(async (relay) => {
    const node = (globalThis.sharing = await shoal.createShoal({ peers: [relay], storage: 'memory' }));
    while (node.addresses.length === 0)
      await new Promise((resolve) => node.addEventListener('addresses:change', resolve, { once: true }));
    const [file] = document.querySelector('input')?.files ?? [];
    if (!file) throw new Error('the page got no file');
    return (await node.share(file)).link;
  }, relay);
  const ms = await timedSave(to, link);
  await from.evaluate(() => globalThis.sharing.close());
  return bytes / 1000 / ms;
}
