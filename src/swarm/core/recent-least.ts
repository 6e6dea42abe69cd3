/** The smallest value of the last one to two windows. */
export class RecentLeast {
  readonly #windowMs: number;
  #now = Infinity;
  #before = Infinity;
  #sinceMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Infinity: nothing was noted yet. */
  get value(): number {
    return Math.min(this.#now, this.#before);
  }

  note(nowMs: number, value: number): void {
    const sinceMs = nowMs - this.#sinceMs;
    if (sinceMs > this.#windowMs) {
      // After a pause all that is known is of long ago.
      this.#before = sinceMs > 2 * this.#windowMs ? Infinity : this.#now;
      this.#now = Infinity;
      this.#sinceMs = nowMs;
    }
    this.#now = Math.min(this.#now, value);
  }
}
