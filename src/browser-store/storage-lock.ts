const LOCK = 'shoal';

/**
 * How long a page waits for another to let go of the storage: the one that was just left, or reloaded, may hold it for a
 * moment longer.
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
  const giveUp = new AbortController();
  const waiting = AbortSignal.any([giveUp.signal, ...(signal ? [signal] : [])]);
  const timer = setInterval(() => {
    // Where nobody has it, it is the browser that takes its time, as on a machine that is busy.
    isTaken().then(
      (taken) => taken && giveUp.abort(),
      (error: unknown) => giveUp.abort(error),
    );
  }, WAIT_MS);
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
  } finally {
    clearInterval(timer);
  }
}

/** Whether another has the lock for which this page waits. */
async function isTaken(): Promise<boolean> {
  const { held = [], pending = [] } = await navigator.locks.query();
  return [held, pending].every((locks) => locks.some(({ name }) => name === LOCK));
}
