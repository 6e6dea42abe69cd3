import { orAbort } from './or-abort.ts';

/** One task at a time for each key; tasks of different keys run side by side. */
export class KeyLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /**
   * Runs `task` when all earlier ones of the key have ended, however they ended.
   *
   * @param signal ends the waiting: then `task` does not run, and who comes later waits for the earlier ones all the same.
   * What has begun is the task's own to end
   */
  async run<T>(key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    let hasBegun = false;
    const mine = before.then(() => {
      signal?.throwIfAborted();
      hasBegun = true;
      return task();
    });
    const tail: Promise<void> = mine
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    await orAbort(before, signal).catch((error: unknown) => {
      if (!hasBegun) throw error;
    });
    return mine;
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}
