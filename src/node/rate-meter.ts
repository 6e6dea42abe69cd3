/** Bytes per second over the last few seconds, from running totals. Reads no clock: the caller gives the time. */
export class RateMeter {
  readonly #windowMs: number;
  readonly #samples: { atMs: number; bytes: number }[] = [];

  /** @param windowMs how far back the rate looks. Default 5 000. */
  constructor(windowMs = 5_000) {
    this.#windowMs = windowMs;
  }

  /** @param bytes the total so far, never less than before */
  sample(nowMs: number, bytes: number): void {
    this.#samples.push({ atMs: nowMs, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? 0) <= nowMs - this.#windowMs)
      this.#samples.shift();
  }

  /** Bytes per second between the oldest and the newest sample; 0 where there are fewer than two. */
  get bytesPerSec(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
  }
}
