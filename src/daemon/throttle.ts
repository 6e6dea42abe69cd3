/**
 * Lets a report through when enough time has passed since the last one, and always when something about it is
 * new (another phase, the end): what tells a person or a pipe how far things are, and no more often than that.
 */
export class Throttle {
  readonly #intervalMs: number;
  #lastMs = -Infinity;
  #lastKey = '';

  /** @param intervalMs the shortest time between two reports that look alike */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** @param key what makes a report worth showing at once when it differs from the one before */
  passes(nowMs: number, key = ''): boolean {
    if (key === this.#lastKey && nowMs - this.#lastMs < this.#intervalMs) return false;
    this.#lastMs = nowMs;
    this.#lastKey = key;
    return true;
  }
}
