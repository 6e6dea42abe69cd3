import { ShoalError } from '../errors.ts';
import type { ClaimedMessage, ClaimMessage } from './media-protocol.ts';

/** A worker that is there takes charge at once; one that does not in this time never will. */
const CLAIM_TIMEOUT_MS = 10_000;

/** Whoever was asked may have been replaced by a new version meanwhile, or ended with the question: the next is asked again. */
const CLAIM_AGAIN_MS = 500;

/**
 * Registers the worker and waits until it is in charge of this page.
 *
 * @returns its scope, and the id by which it knows the page
 */
export async function takeCharge(
  worker: URL,
  signal: AbortSignal | undefined,
): Promise<{ scope: string; clientId: string }> {
  signal?.throwIfAborted();
  if (!isSecureContext) {
    throw new ShoalError(
      'ERR_INSECURE_CONTEXT',
      'this page came over plain http, where browsers run no service worker; open it over https, or from localhost',
    );
  }
  const { serviceWorker } = navigator as Partial<Navigator>;
  if (!serviceWorker || !('locks' in navigator)) {
    throw new ShoalError(
      'ERR_UNSUPPORTED_PLATFORM',
      'this browser runs no service worker here: it is too old, or does not in a private window; save files instead of playing them, or use another window',
    );
  }
  const blocked = (cause: unknown): ShoalError =>
    workerError(
      `the service worker ${worker.pathname} cannot be used: ${String(cause)}; the site has to serve shoal-sw.js there, and the browser to allow service workers and site data for it`,
      cause,
    );
  let registration: ServiceWorkerRegistration | undefined;
  try {
    registration = await serviceWorker.register(worker, { updateViaCache: 'none' });
  } catch (cause) {
    throw blocked(cause);
  }
  // What blocks service workers in a browser may also answer with nothing at all.
  if (!registration) throw blocked('something in this browser blocks it');
  const { scope } = registration;
  if (!location.href.startsWith(scope)) {
    throw workerError(
      `the service worker ${worker.pathname} has no say over this page; it has to lie in the page's folder or above`,
    );
  }
  signal?.throwIfAborted();
  return { scope, clientId: await claim(serviceWorker, signal) };
}

/** Asks the worker to take charge: after a reload that goes past it, it does not by itself. */
async function claim(container: ServiceWorkerContainer, signal: AbortSignal | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let clientId: string | undefined;
  const look = (): void => {
    if (clientId !== undefined && container.controller) resolve(clientId);
  };
  const ask = async (): Promise<void> => {
    const { active } = await container.ready;
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = ({ data }: MessageEvent<ClaimedMessage>): void => {
      ({ clientId } = data);
      port.close();
      look();
    };
    const message: ClaimMessage = { shoalMedia: 'claim' };
    active?.postMessage(message, [port2]);
  };
  const limit = AbortSignal.any([AbortSignal.timeout(CLAIM_TIMEOUT_MS), ...(signal ? [signal] : [])]);
  const giveUp = (): void =>
    reject(
      signal?.aborted
        ? signal.reason
        : workerError(
            'the service worker does not take charge of this page: it is not that of Shoal and does not import it, or the browser holds it back; load the page anew',
          ),
    );
  limit.addEventListener('abort', giveUp, { once: true });
  container.addEventListener('controllerchange', look);
  const asking = setInterval(() => void ask(), CLAIM_AGAIN_MS);
  try {
    void ask();
    return await promise;
  } finally {
    clearInterval(asking);
    limit.removeEventListener('abort', giveUp);
    container.removeEventListener('controllerchange', look);
  }
}

function workerError(message: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_SERVICE_WORKER', message, { cause });
}
