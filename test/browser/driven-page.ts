import type { PageShoal, SavedBlob } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';

/** What a {@link DrivenPage} has after it was loaded, and what the steps below put there. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  var saving: Promise<SavedBlob>;
}

/** A tab of a browser that Playwright does not drive, with the SDK as `shoal`. */
export interface DrivenPage {
  /** Goes to `url`, also where the tab is there already: then it is a reload. */
  load(url: string): Promise<void>;
  /** Runs a function in the page; what goes in and comes out goes as JSON. */
  evaluate<A, R>(run: (argument: A) => Promise<R>, argument: A): Promise<R>;
  close(): Promise<void>;
}

/** Loads the SDK into a page. */
export function loadSdk(page: DrivenPage): Promise<void> {
  return page.evaluate(async () => {
    const sdk = '/shoal.js';
    Object.assign(globalThis, { shoal: await import(sdk) });
  }, undefined);
}

/** Starts the page's node, as `node` in the page. @returns where it keeps what it fetches, and why nowhere better */
export function startNode(page: DrivenPage, peers: string[] = []) {
  return page.evaluate(async (peers) => {
    globalThis.node = await shoal.createShoal({ network: 'test', peers });
    const { kind, why } = await globalThis.node.storage();
    return { kind, why, id: globalThis.node.id };
  }, peers);
}

/** Saves what the link names. @returns what came by its hash, and from whom */
export function save(page: DrivenPage, link: string) {
  return page.evaluate(async (link) => {
    const { blob, sources } = await (await globalThis.node.open(link)).save();
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
    const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { hash, sources };
  }, link);
}

/** Begins to save what the link names, and resolves when so much is here. */
export function saveUntil(page: Pick<DrivenPage, 'evaluate'>, link: string, bytes: number): Promise<void> {
  return page.evaluate(
    async ([link, bytes]) => {
      const asset = await globalThis.node.open(link);
      await new Promise<void>((resolve, reject) => {
        globalThis.saving = asset.save({ onProgress: (each) => each.bytes >= bytes && resolve() });
        globalThis.saving.catch(reject);
      });
    },
    [link, bytes] as const,
  );
}

/** Shares a file of that size, of bytes that nobody else has. @returns its link, and its hash */
export function shareFile(page: DrivenPage, bytes: number): Promise<{ link: string; hash: string }> {
  return page.evaluate(async (size) => {
    const bytes = new Uint8Array(size);
    const most = 65_536; // that browsers give at once
    for (let at = 0; at < size; at += most) crypto.getRandomValues(bytes.subarray(at, at + most));
    const { link } = await globalThis.node.share(new File([bytes], 'mine.bin'));
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return { link, hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') };
  }, bytes);
}

/** A link that names the addresses of one way alone. */
export function only(link: string, way: string): string {
  const parts = link.split('&').filter((part) => !part.startsWith('a=') || part.includes(`/${way}/`));
  return parts.join('&');
}
