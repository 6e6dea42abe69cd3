import { setTimeout as delay } from 'node:timers/promises';

/** Node's timers take no longer time than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Resolves after a time or when the signal aborts, whichever is first; never rejects. */
export async function waitOrStop(durationMs: number | 'forever', signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  if (durationMs !== 'forever') {
    await delay(Math.min(durationMs, MAX_TIMER_MS), undefined, { signal }).catch(() => undefined);
    return;
  }
  await new Promise<void>((resolve) => {
    // A pending listener alone does not keep a process alive.
    const timer = setInterval(() => undefined, MAX_TIMER_MS);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(timer);
        resolve();
      },
      { once: true },
    );
  });
}
