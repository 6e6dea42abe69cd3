/**
 * What a rate allows: fills with time up to a burst, and is spent in whole pieces. A piece may be begun while
 * anything is left, so that the allowance falls below zero by a piece at most and the rate holds on the average.
 */
export class Allowance {
  readonly perSec: number;
  readonly burst: number;
  /** What is left as of the last `refill`. */
  left: number;
  #atMs: number;

  /**
   * @param perSec the rate, above 0
   * @param burst most that is saved up
   * @param left what there is at the start; default: the burst
   */
  constructor(perSec: number, burst: number, nowMs: number, left: number = burst) {
    this.perSec = perSec;
    this.burst = burst;
    this.left = left;
    this.#atMs = nowMs;
  }

  /** Brings it up to date. @returns what is left */
  refill(nowMs: number): number {
    const added = (Math.max(0, nowMs - this.#atMs) / 1000) * this.perSec;
    this.left = Math.min(this.burst, this.left + added);
    this.#atMs = Math.max(this.#atMs, nowMs);
    return this.left;
  }

  take(amount: number): void {
    this.left -= amount;
  }

  /** Takes a whole one where there is one. @returns whether there was */
  takeOne(nowMs: number): boolean {
    if (this.refill(nowMs) < 1) return false;
    this.take(1);
    return true;
  }

  /** Counts what came, whether or not it was allowed. @returns whether it was: something is left */
  spend(nowMs: number, amount = 1): boolean {
    this.refill(nowMs);
    this.take(amount);
    return this.left > 0;
  }

  /** What was taken was not used. */
  giveBack(amount: number): void {
    this.left = Math.min(this.burst, this.left + amount);
  }

  /** When something will be left again, as of the last `refill`. */
  get opensAtMs(): number {
    return this.left > 0 ? this.#atMs : this.#atMs + Math.floor((-this.left / this.perSec) * 1000) + 1;
  }
}

/**
 * Seconds of a limited rate that may be used at once after a pause, and of a limited downlink that may be under way
 * before further grants are declined (SCHEDULING: 0.3).
 */
const BURST_SEC = 0.3;

/** The allowance of a limit that begins now, with neither debt nor burst; undefined: no limit. */
export function limitOf(bytesPerSec: number | undefined, nowMs: number): Allowance | undefined {
  if (bytesPerSec === undefined) return undefined;
  return new Allowance(bytesPerSec, BURST_SEC * bytesPerSec, nowMs, 0);
}
