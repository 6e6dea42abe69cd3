/**
 * Holds a rate by handing out tokens, one a byte. Fills up to `burst` while nothing is taken.
 */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /**
   * @param bytesPerSec the rate, above 0
   * @param burst most bytes that may go at once after a pause
   */
  constructor(bytesPerSec: number, burst: number, nowMs: number) {
    this.#bytesPerMs = bytesPerSec / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /**
   * Takes `bytes` tokens, at most `burst`, or none.
   *
   * @returns 0 where they were taken, else the milliseconds until they will be there
   */
  take(nowMs: number, bytes: number): number {
    const added = Math.max(0, nowMs - this.#filledAtMs) * this.#bytesPerMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + added);
    this.#filledAtMs = Math.max(nowMs, this.#filledAtMs);
    const wanted = Math.min(bytes, this.#burst);
    if (this.#tokens >= wanted) {
      this.#tokens -= wanted;
      return 0;
    }
    return (wanted - this.#tokens) / this.#bytesPerMs;
  }
}
