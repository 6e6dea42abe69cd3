import type { PageAsset, PageShoal } from '../browser-api.ts';
import { ShoalError } from '../errors.ts';
import { answerFor, answerForError, type MediaFile } from './media-answer.ts';
import {
  lockName,
  MEDIA_FOLDER,
  type AnswerMessage,
  type ReaderMessage,
  type RequestMessage,
} from './media-protocol.ts';
import { readAhead } from './read-ahead.ts';
import type { MediaOptions, PageMedia } from './serve-media.ts';
import { takeCharge } from './take-charge.ts';

/** Assets kept open for further requests: what a page shows at a time. */
const MAX_OPEN_ASSETS = 64;

/** What `serveMedia` does; it loads with the first call. */
export async function startMedia(shoal: PageShoal, options: MediaOptions): Promise<PageMedia> {
  const worker = new URL(options.worker ?? 'shoal-sw.js', document.baseURI);
  const { scope, clientId } = await takeCharge(worker, options.signal);
  const media = new MediaServer(shoal, scope, lockName(clientId, crypto.randomUUID()), options.onError);
  try {
    await media.start();
    options.signal?.throwIfAborted();
  } catch (error) {
    await media.close();
    throw error;
  }
  return media;
}

/** An asset that was asked for, and how many answers are under way from it. */
interface OpenAsset {
  asset: Promise<PageAsset>;
  users: number;
  /** Files that were found in it, by how they were asked for: a player asks for each many times, and a folder may have a hundred thousand. */
  found: Map<string, FoundFile>;
}

interface FoundFile {
  file: MediaFile;
  /** Undefined: the asset is the file. */
  path: string | undefined;
}

/** The page's half: answers what the service worker is asked. See `PageMedia` in serve-media.ts. */
class MediaServer implements PageMedia {
  readonly #shoal: PageShoal;
  readonly #scope: string;
  readonly #onError: MediaOptions['onError'];
  readonly #lock: string;
  readonly #closed = new AbortController();
  readonly #unlock = Promise.withResolvers<void>();
  /** Of each asset whose address was given out: by what to open it. */
  readonly #links = new Map<string, string>();
  /** The one that was used last comes last. */
  readonly #open = new Map<string, OpenAsset>();

  constructor(shoal: PageShoal, scope: string, lock: string, onError: MediaOptions['onError']) {
    this.#shoal = shoal;
    this.#scope = scope;
    this.#lock = lock;
    this.#onError = onError;
  }

  /** Resolves when the worker can find this page. */
  async start(): Promise<void> {
    const { signal } = this.#closed;
    navigator.serviceWorker.addEventListener('message', (event) => this.#handle(event), { signal });
    navigator.serviceWorker.startMessages();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    navigator.locks
      .request(this.#lock, () => {
        resolve();
        return this.#unlock.promise;
      })
      .catch(reject);
    await promise;
  }

  url(asset: PageAsset, path?: string): string {
    this.#links.set(asset.cid, asset.link);
    const parts = path === undefined || path === '' ? [asset.name ?? ''] : path.split('/');
    // A name out of a link may be anything: dots alone would lead elsewhere.
    const below = parts
      .filter((part) => !/^\.{0,2}$/.test(part))
      .map((part) => `/${encodeURIComponent(part)}`);
    return `${this.#scope}${MEDIA_FOLDER}${asset.cid}${below.join('')}`;
  }

  async close(): Promise<void> {
    this.#closed.abort(
      new ShoalError('ERR_CLOSED', 'the page answers no more for its media', { fault: 'none' }),
    );
    this.#unlock.resolve();
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(open.map(async ({ asset }) => (await asset).close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handle(event: MessageEvent<Partial<RequestMessage> | null>): void {
    const [port] = event.ports;
    const request = event.data;
    if (port && request?.shoalMedia === 'request' && request.to === this.#lock)
      void this.#answer(request as RequestMessage, port);
  }

  async #answer(request: RequestMessage, port: MessagePort): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closed.signal]);
    const tell = (message: AnswerMessage, transfer: Transferable[] = []): void =>
      port.postMessage(message, transfer);
    let started = false;
    let cid = '';
    let opened: OpenAsset | undefined;
    // A worker that the browser ended closes its ports, where the browser tells of that.
    port.addEventListener('close', () => stop.abort());
    try {
      const pulls = pullsOf(port, stop, signal);
      const asked = partsOf(request.path);
      ({ cid } = asked);
      opened = this.#use(cid, request.isNavigation);
      const asset = await opened.asset;
      const found = opened.found.get(request.path) ?? (await findFile(asset, asked.parts, signal));
      opened.found.set(request.path, found);
      const { file, path } = found;
      const { head, body } = answerFor(request, file);
      started = true;
      tell({ type: 'head', head, text: undefined, hasBody: body !== undefined });
      if (!body) return;
      const read = (offset: number, length: number, signal: AbortSignal): AsyncIterable<Uint8Array> =>
        asset.stream({ path, offset, length, signal });
      const pieces = readAhead(read, body.offset, body.length, signal);
      // Begins to fetch before the first piece is asked for, and to send when it is.
      for await (const piece of pieces) {
        await pulls.next();
        const bytes = piece.slice() as Uint8Array<ArrayBuffer>;
        tell({ type: 'piece', bytes }, [bytes.buffer]);
      }
      await pulls.next();
      tell({ type: 'end' });
    } catch (error) {
      if (stop.signal.aborted) return;
      // Its asset may have been removed: the next request opens it anew.
      if (opened && this.#open.get(cid) === opened) this.#open.delete(cid);
      const { head, text } = answerForError(error);
      if (started) tell({ type: 'failure', message: text.trim() });
      else tell({ type: 'head', head, text: request.method === 'HEAD' ? undefined : text, hasBody: false });
      // For a tab or a frame all pages are asked.
      const isOthers = error instanceof ShoalError && error.code === 'ERR_NOT_OPENED';
      if (!isOthers) this.#report(request.path, error);
    } finally {
      stop.abort();
      if (opened) opened.users--;
    }
  }

  #report(requested: string, error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const [cid = '', ...path] = requested.split('/');
    this.#onError?.({ cid, path: path.join('/'), error });
  }

  /** The asset of a CID, opened once. */
  #use(cid: string, isNavigation: boolean): OpenAsset {
    const known = this.#links.get(cid);
    if (isNavigation && known === undefined) {
      // Any site may send the browser here: it decides nothing about what this node looks for.
      throw new ShoalError(
        'ERR_NOT_OPENED',
        `${cid} was not opened in this page; open its link there, and then come here`,
      );
    }
    let open = this.#open.get(cid);
    this.#open.delete(cid);
    if (!open) {
      const asset = this.#shoal.open(known ?? cid, { signal: this.#closed.signal });
      open = { asset, users: 0, found: new Map() };
      // What could not be opened is tried again with the next request.
      asset.catch(() => this.#open.delete(cid));
    }
    this.#open.set(cid, open);
    open.users++;
    this.#closeOldest();
    return open;
  }

  #closeOldest(): void {
    for (const [cid, { asset, users }] of this.#open) {
      if (this.#open.size <= MAX_OPEN_ASSETS) return;
      if (users > 0) continue;
      this.#open.delete(cid);
      void asset.then((each) => each.close());
    }
  }
}

/** Counts what the reader asks for; `next` resolves for each, and rejects when nobody reads any more. */
function pullsOf(port: MessagePort, stop: AbortController, signal: AbortSignal): { next(): Promise<void> } {
  let asked = 0;
  let changed = Promise.withResolvers<void>();
  const wake = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  port.onmessage = ({ data }: MessageEvent<ReaderMessage>): void => {
    if (data === 'cancel') stop.abort();
    else asked++;
    wake();
  };
  signal.addEventListener('abort', wake);
  return {
    async next() {
      while (asked === 0) {
        signal.throwIfAborted();
        await changed.promise;
      }
      signal.throwIfAborted();
      asked--;
    },
  };
}

function partsOf(requested: string): { cid: string; parts: string[] } {
  const [cid = '', ...encoded] = requested.split('/');
  let parts: string[];
  try {
    parts = encoded.map((part) => decodeURIComponent(part));
  } catch (cause) {
    throw new ShoalError('ERR_INVALID_LINK', `the address ${requested} is not well percent-encoded`, {
      cause,
    });
  }
  if (cid === '')
    throw new ShoalError('ERR_INVALID_LINK', 'the address has no CID: it is shoal/<cid>/<path>');
  return { cid, parts };
}

/**
 * The file that a path names. A file asset has no name that its CID proves: whatever one it is asked by tells its type.
 *
 * @throws ERR_ENTRY_NOT_FOUND, ERR_NOT_A_FILE
 */
async function findFile(asset: PageAsset, parts: readonly string[], signal: AbortSignal): Promise<FoundFile> {
  const { cid } = asset;
  const path = parts.join('/');
  const isFile = asset.type === 'file';
  // The name that a link gives a file may have any character in it; those in a folder are proven, and have none.
  if (isFile ? parts.length > 1 : parts.some((part) => part.includes('/'))) throw notFound(cid, path);
  for await (const entry of asset.entries({ signal })) {
    if (isFile) {
      const name = parts[0] || asset.name || cid;
      return { file: { cid, name, size: entry.size }, path: undefined };
    }
    if (entry.path !== path.replace(/\/$/, '')) continue;
    if (entry.type === 'file' && entry.path === path)
      return { file: { cid, name: parts.at(-1) ?? '', size: entry.size }, path };
    throw new ShoalError(
      'ERR_NOT_A_FILE',
      `${path || cid} is a ${entry.type === 'file' ? 'file, not a folder' : entry.type}; name a file in it`,
    );
  }
  if (path === '')
    throw new ShoalError('ERR_NOT_A_FILE', `${cid} is a ${asset.type}; name a file in it by its path`);
  throw notFound(cid, path);
}

function notFound(cid: string, path: string): ShoalError {
  return new ShoalError('ERR_ENTRY_NOT_FOUND', `${cid} has no file "${path}"`);
}
