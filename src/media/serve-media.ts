import type { PageAsset, PageShoal } from '../browser-api.ts';
import { notLoaded } from '../not-loaded.ts';

/** Settings of {@link serveMedia}. */
export interface MediaOptions {
  /**
   * Where the site serves `dist/browser/shoal-sw.js`, or a service worker of its own that imports it. It has to lie in the
   * page's folder or above. Default: `shoal-sw.js` beside the page.
   */
  worker?: string | URL;
  /** Told why a request could not be answered, or broke off: elements tell no more than that something failed. */
  onError?: (problem: { cid: string; path: string; error: unknown }) => void;
  /** Ends the start-up early. */
  signal?: AbortSignal;
}

/** Addresses on this site whose content comes from the swarm. */
export interface PageMedia extends AsyncDisposable {
  /**
   * The address of a file: for `src`, `href` and `fetch`, here and in other pages of the site while this one is open.
   *
   * @param path of the file inside a directory asset; it may be left out for an asset that is a file
   */
  url(asset: PageAsset, path?: string): string;
  /** Ends what is being answered, and answers no more. The service worker stays, for the next visit. */
  close(): Promise<void>;
}

/**
 * Lets `<video>`, `<audio>`, `<img>` and `fetch` of this page read from the swarm, at `shoal/<cid>/<path>` below the service
 * worker's folder, with ranges: players start at once, seek, and fetch no more than they play. What comes from there is
 * never run as this site's code.
 *
 * @example
 * ```ts
 * const media = await serveMedia(shoal); // with shoal-sw.js beside the page
 * video.src = media.url(await shoal.open(link));
 * ```
 * @throws ERR_INSECURE_CONTEXT, ERR_UNSUPPORTED_PLATFORM, ERR_SERVICE_WORKER, and the abort reason
 */
export async function serveMedia(shoal: PageShoal, options: MediaOptions = {}): Promise<PageMedia> {
  const { startMedia } = await import('./media-server.ts').catch(notLoaded);
  return startMedia(shoal, options);
}
