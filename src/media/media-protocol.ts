/**
 * What the service worker and a page say to each other. The worker knows HTTP's outside alone: whom to ask, and how to
 * hand on. Everything that is decided is decided in the page, so that an old worker goes on working with a new page.
 */

/** Below the worker's scope: `<scope>shoal/<cid>/<path>`. */
export const MEDIA_FOLDER = 'shoal/';

const LOCK_PREFIX = 'shoal-media-1';

/**
 * A page that answers holds a Web Lock of this name for as long as it does. So the worker, which browsers end and start
 * as they like, finds it without remembering anything, and hears when it is gone. (`LockInfo.clientId` would say whose a
 * lock is; Chromium's is another id than a service worker knows its clients by.)
 *
 * @param clientId by which the worker knows the page
 * @param id of this answerer: a page may have several
 */
export function lockName(clientId: string, id: string): string {
  return `${LOCK_PREFIX}:${clientId}:${id}`;
}

/** By which the worker knows the page that holds a lock; undefined where the lock is another. */
export function clientOfLock(name: string): string | undefined {
  const [prefix, clientId] = name.split(':');
  return prefix === LOCK_PREFIX ? clientId : undefined;
}

/** Page to worker, with a port for the answer: take charge of this page. */
export interface ClaimMessage {
  shoalMedia: 'claim';
}

/** Worker to page: it has taken charge. */
export interface ClaimedMessage {
  /** By which it knows the page. */
  clientId: string;
}

/** Worker to page, with a port for the answer. */
export interface RequestMessage {
  shoalMedia: 'request';
  /** The lock of whom it is for: a page may answer for several nodes. */
  to: string;
  method: 'GET' | 'HEAD';
  /** What follows `shoal/`, percent-encoded as it came. */
  path: string;
  range: string | null;
  ifRange: string | null;
  ifNoneMatch: string | null;
  /** The browser goes there, in a tab or a frame: another site may have sent it. */
  isNavigation: boolean;
}

/** Worker to page on the port: send the next piece; or, nobody reads any more. */
export type ReaderMessage = 'pull' | 'cancel';

/** The start of an answer. */
export interface MediaHead {
  status: number;
  headers: Record<string, string>;
}

/** Page to worker on the port. `head` comes once and first; then one `piece`, `end` or `failure` for each pull. */
export type AnswerMessage =
  | { type: 'head'; head: MediaHead; text: string | undefined; hasBody: boolean }
  | { type: 'piece'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'end' }
  | { type: 'failure'; message: string };
