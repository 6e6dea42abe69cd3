import { letExit } from '../swarm/let-exit.ts';

/** Resolves after `ms`, or when the signal aborts: never rejects. Keeps no process alive. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(finish, ms);
  letExit(timer);
  signal.addEventListener('abort', finish, { once: true });
  function finish(): void {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
    resolve();
  }
  return promise;
}
