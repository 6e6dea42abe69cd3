/**
 * The service worker: `dist/browser/shoal-sw.js`, one file to copy. It answers `<scope>shoal/<cid>/<path>` with what a page
 * of the site that has a node (`serveMedia`) answers, piece by piece as the reader asks. A site with a service worker of
 * its own imports this one into it with `importScripts`.
 */
import { ShoalError } from '../errors.ts';
import { answerForError, textAnswer } from './media-answer.ts';
import {
  clientOfLock,
  MEDIA_FOLDER,
  type AnswerMessage,
  type ClaimedMessage,
  type ClaimMessage,
  type MediaHead,
  type ReaderMessage,
  type RequestMessage,
} from './media-protocol.ts';

/** TypeScript has a service worker's types only without a page's; these are those used here. */
interface WorkerScope {
  registration: { scope: string };
  clients: { claim(): Promise<void>; get(id: string): Promise<WorkerClient | undefined> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LongEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: WorkerMessage) => void): void;
}
interface WorkerClient {
  postMessage(message: RequestMessage, transfer: Transferable[]): void;
}
interface LongEvent {
  waitUntil(promise: Promise<unknown>): void;
}
interface WorkerMessage extends LongEvent {
  data: unknown;
  ports: readonly MessagePort[];
  source: { id: string } | null;
}
interface FetchEvent {
  request: Request;
  clientId: string;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as WorkerScope;

/**
 * What a site may do with bytes of strangers: show, play and read them. Never run them, nor style itself with them: a page
 * that allows scripts of its own origin (`script-src 'self'`) would allow those of anybody.
 */
const PASSIVE = new Set(['', 'audio', 'document', 'font', 'frame', 'iframe', 'image', 'track', 'video']);

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('message', (event) => {
  const { data, ports, source } = event;
  if ((data as Partial<ClaimMessage> | null)?.shoalMedia !== 'claim' || !source) return;
  const claimed: ClaimedMessage = { clientId: source.id };
  event.waitUntil(worker.clients.claim().then(() => ports[0]?.postMessage(claimed)));
});
worker.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const base = new URL(MEDIA_FOLDER, worker.registration.scope);
  if (origin === base.origin && pathname.startsWith(base.pathname))
    event.respondWith(answer(event, pathname.slice(base.pathname.length)));
});

async function answer({ request, clientId }: FetchEvent, path: string): Promise<Response> {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    const { head, text } = textAnswer(405, `${method} is not answered here, only GET and HEAD\n`);
    return new Response(text, { ...head, headers: { ...head.headers, Allow: 'GET, HEAD' } });
  }
  if (!PASSIVE.has(request.destination))
    return plain(textAnswer(403, `what comes from the swarm is not used as ${request.destination}\n`));
  const isNavigation = request.mode === 'navigate';
  let refused: Response | undefined;
  for (const { lock, client } of await pagesWithNode(clientId)) {
    const response = await askPage(client, request.signal, {
      shoalMedia: 'request',
      to: lock,
      method,
      path,
      range: headers.get('range'),
      ifRange: headers.get('if-range'),
      ifNoneMatch: headers.get('if-none-match'),
      isNavigation,
    });
    // A tab or a frame has no page that it came from; another one may have opened what this one did not.
    if (isNavigation && response?.status === 403) refused = response;
    else if (response) return response;
  }
  if (refused) return refused;
  return plain(
    answerForError(
      new ShoalError(
        'ERR_NO_NODE',
        'no open page of this site has a Shoal node that answers: one has to call serveMedia(shoal) and stay open',
      ),
    ),
  );
}

function plain({ head, text }: { head: MediaHead; text: string }): Response {
  return new Response(text, head);
}

interface NodePage {
  lock: string;
  id: string;
  client: WorkerClient;
}

/** The pages that answer, the one that asks first. */
async function pagesWithNode(asking: string): Promise<NodePage[]> {
  const { held = [] } = await navigator.locks.query();
  const pages = held.map(async ({ name: lock = '' }) => {
    const id = clientOfLock(lock);
    return { lock, id, client: id === undefined ? undefined : await worker.clients.get(id) };
  });
  const there = (await Promise.all(pages)).filter(hasClient);
  return there.sort((a, b) => Number(b.id === asking) - Number(a.id === asking));
}

function hasClient(page: Partial<NodePage>): page is NodePage {
  return page.client !== undefined;
}

/** Asks one page, and passes on what it answers. @returns undefined where the page went away before it answered */
function askPage(
  client: WorkerClient,
  aborted: AbortSignal,
  request: RequestMessage,
): Promise<Response | undefined> {
  const { port1: port, port2 } = new MessageChannel();
  const ended = new AbortController();
  const head = Promise.withResolvers<Response | undefined>();
  let reader: ReadableStreamDefaultController<Uint8Array> | undefined;
  let pulled = Promise.withResolvers<void>();
  const tell = (message: ReaderMessage): void => port.postMessage(message);
  const end = (): void => {
    ended.abort();
    port.close();
    pulled.resolve();
  };
  const fail = (message: string): void => {
    reader?.error(new TypeError(message));
    head.resolve(undefined);
    end();
  };
  const cancel = (): void => {
    tell('cancel');
    head.reject(aborted.reason);
    end();
  };
  const body = (): ReadableStream<Uint8Array> =>
    new ReadableStream(
      {
        start: (controller) => void (reader = controller),
        pull: () => {
          pulled = Promise.withResolvers();
          tell('pull');
          return pulled.promise;
        },
        cancel,
      },
      // Nothing is asked for before it is read: the swarm, too, is slowed down by who watches.
      { highWaterMark: 0 },
    );
  port.onmessage = ({ data }: MessageEvent<AnswerMessage>): void => {
    if (data.type === 'head') {
      head.resolve(new Response(data.hasBody ? body() : (data.text ?? null), data.head));
      if (!data.hasBody) end();
    } else if (data.type === 'piece') {
      reader?.enqueue(data.bytes);
      pulled.resolve();
    } else if (data.type === 'end') {
      reader?.close();
      end();
    } else fail(data.message);
  };
  aborted.addEventListener('abort', cancel, { once: true, signal: ended.signal });
  whenGone(request.to, ended.signal).then(
    () => fail('the page that had the Shoal node was closed'),
    () => undefined,
  );
  client.postMessage(request, [port2]);
  return head.promise;
}

/** Resolves when the page that holds a lock lets it go. @throws the reason, when it is no longer of interest */
async function whenGone(lock: string, signal: AbortSignal): Promise<void> {
  await navigator.locks.request(lock, { mode: 'shared', signal }, () => undefined);
}
