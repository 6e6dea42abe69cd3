/** The code of `opfs-worker.ts`, which `scripts/bundle-browser.ts` puts here: a page has one file to load, not two. */
export const opfsWorkerSource: string = '';
