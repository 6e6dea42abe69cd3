const LOCK = 'shoal';

/**
 * How long a page waits for the storage: the one that was just left, or reloaded, may hold it for a moment longer.
 */
const WAIT_MS = 1000;

/**
 * Makes this page the one that owns the origin's storage, by a Web Lock: the browser lets go of it when the page dies,
 * however it dies.
 *
 * @returns what lets go of it; undefined where another page, or another node in this one, owns it
 */
export async function lockStorage(signal: AbortSignal | undefined): Promise<(() => void) | undefined> {
  const held = Promise.withResolvers<() => void>();
  const released = Promise.withResolvers<void>();
  const waiting = AbortSignal.any([AbortSignal.timeout(WAIT_MS), ...(signal ? [signal] : [])]);
  navigator.locks
    .request(LOCK, { signal: waiting }, () => {
      held.resolve(() => released.resolve());
      return released.promise;
    })
    .catch((error: unknown) => held.reject(error));
  try {
    return await held.promise;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
