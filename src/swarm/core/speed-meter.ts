/** The speed shown is that of the last few seconds, in slots of half a second. */
const SLOT_MS = 500;
const SLOTS = 8;

/** Bytes per second over the last four seconds, for people. */
export class SpeedMeter {
  readonly #slots = new Float64Array(SLOTS);
  #latest = -1;
  #since = Infinity;

  add(nowMs: number, bytes: number): void {
    this.#advance(nowMs);
    this.#since = Math.min(this.#since, nowMs);
    const slot = this.#latest % SLOTS;
    this.#slots[slot] = (this.#slots[slot] as number) + bytes;
  }

  bytesPerSec(nowMs: number): number {
    if (this.#since === Infinity) return 0;
    this.#advance(nowMs);
    let bytes = 0;
    for (const slot of this.#slots) bytes += slot;
    const spanMs = Math.min(nowMs - this.#since, (SLOTS - 1) * SLOT_MS + (nowMs % SLOT_MS));
    return (bytes * 1000) / Math.max(spanMs, SLOT_MS);
  }

  #advance(nowMs: number): void {
    const now = Math.floor(nowMs / SLOT_MS);
    if (this.#latest < 0 || now - this.#latest >= SLOTS) this.#slots.fill(0);
    else for (let slot = this.#latest + 1; slot <= now; slot++) this.#slots[slot % SLOTS] = 0;
    this.#latest = Math.max(this.#latest, now);
  }
}
