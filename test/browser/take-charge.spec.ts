import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../../src/browser.ts';
import { BrowserRig, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page. */
declare const shoal: typeof shoalOfPage;

describe('the service worker for media, in Chromium', function () {
  let rig: BrowserRig;
  let page: Page;
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  after(() => rig?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    page = await rig.page();
  });
  afterEach(() => page.context().close());

  it('is asked to take charge until it does: the one that was asked may be replaced meanwhile', async () => {
    const url = await page.evaluate(async () => {
      // The first question is lost with the worker that it was for.
      const { postMessage } = ServiceWorker.prototype;
      ServiceWorker.prototype.postMessage = () => {
        ServiceWorker.prototype.postMessage = postMessage;
      };
      const media = await shoal.serveMedia({} as shoalOfPage.PageShoal);
      return media.url({ cid: 'bafy', link: 'shoal:bafy' } as shoalOfPage.PageAsset);
    });
    assert.equal(url, `${rig.origin}/shoal/bafy`);
  });

  it('is not waited for by who has given it up while it was registered', async () => {
    const outcome = await page.evaluate(async () => {
      const stop = new AbortController();
      const container = navigator.serviceWorker;
      const { register } = ServiceWorkerContainer.prototype;
      container.register = async (...args) => {
        const registration = await register.apply(container, args);
        // Nor does it answer.
        ServiceWorker.prototype.postMessage = () => undefined;
        stop.abort('no longer');
        return registration;
      };
      const starting = shoal.serveMedia({} as shoalOfPage.PageShoal, { signal: stop.signal });
      return starting.then(
        () => 'none',
        (reason: unknown) => reason,
      );
    });
    assert.equal(outcome, 'no longer');
  });
});
