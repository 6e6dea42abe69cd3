import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { bundleBrowser } from '../../scripts/bundle-browser.ts';
import { CHUNK_SPACE_CONTRACT } from '../contracts/chunk-space-contract.ts';
import { BrowserRig, needChromium } from './chromium.ts';
import type * as spacesOfPage from './spaces-page.ts';

declare const spaces: typeof spacesOfPage;

for (const kind of ['opfs', 'indexeddb'] as const) {
  describe(`${kind === 'opfs' ? 'files' : 'IndexedDB'} of a page as a place for chunks`, function () {
    let rig: BrowserRig;
    let folder: string;
    before(async function () {
      rig = await BrowserRig.start(needChromium(this));
      folder = await mkdtemp(join(tmpdir(), 'shoal-spaces-'));
      await bundleBrowser({
        absWorkingDir: resolve(import.meta.dirname, '../..'),
        entryPoints: { spaces: 'test/browser/spaces-page.ts' },
        outdir: folder,
        format: 'iife',
        globalName: 'spaces',
        splitting: false,
      });
    });
    after(async () => {
      await rig?.[Symbol.asyncDispose]();
      if (folder) await rm(folder, { recursive: true });
    });

    for (const title of Object.keys(CHUNK_SPACE_CONTRACT)) {
      it(title, async () => {
        const page = await rig.page();
        await page.addScriptTag({ path: join(folder, 'spaces.js') });
        await page.evaluate(([kind, title]) => spaces.holds(kind, title), [kind, title] as const);
        await page.context().close();
      });
    }

    if (kind === 'opfs') return;

    it('is opened anew where the browser ended the connection, as iOS does in the background', async () => {
      const page = await rig.page();
      await page.addScriptTag({ path: join(folder, 'spaces.js') });
      assert.deepEqual(await page.evaluate(() => spaces.loseConnection()), ['1', '1', '2']);
      await page.context().close();
    });

    it('is not made anew under a page whose data was deleted, which is told so', async () => {
      const page = await rig.page();
      const devTools = await page.context().newCDPSession(page);
      await page.addScriptTag({ path: join(folder, 'spaces.js') });
      const { origin } = new URL(page.url());
      await page.exposeFunction('clearData', async () => {
        await devTools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
      });
      const told = 'ERR_IO, open the page anew';
      const lost = { failures: [told, told], names: [], whenClosed: 'ERR_CLOSED' };
      const byBrowser = await page.evaluate(() =>
        spaces.loseData((globalThis as unknown as { clearData: () => Promise<void> }).clearData),
      );
      assert.deepEqual(byBrowser, lost);
      assert.deepEqual(await page.evaluate(() => spaces.loseData()), lost);
      await page.context().close();
    });
  });
}
