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
    if (nowMs - this.#sinceMs > this.#windowMs) {
      this.#before = this.#now;
      this.#now = Infinity;
      this.#sinceMs = nowMs;
    }
    this.#now = Math.min(this.#now, value);
  }
}
