import type { KeyLock } from './key-lock.ts';

/** Gathers what is to be put under a key until its turn at the lock comes, and puts it in one go. */
export class GatheredPuts<T> {
  readonly #lock: KeyLock;
  readonly #waiting = new Map<string, { items: T[]; done: Promise<void> }>();

  constructor(lock: KeyLock) {
    this.#lock = lock;
  }

  /**
   * @param put called once for all that came until then, the same for each of a key
   * @returns resolves when it has been put. @throws what `put` throws, to all whose items were in it
   */
  async add(key: string, item: T, put: (items: readonly T[]) => Promise<void>): Promise<void> {
    let gathered = this.#waiting.get(key);
    if (!gathered) {
      const items: T[] = [];
      const done = this.#lock.run(key, () => {
        this.#waiting.delete(key);
        return put(items);
      });
      this.#waiting.set(key, (gathered = { items, done }));
    }
    gathered.items.push(item);
    await gathered.done;
  }
}
