import { EventQueue } from './event-queue.ts';

/** Slots of the wheel: with a quantum of a quarter of a millisecond the near future is four seconds. */
const SLOTS = 1 << 14;

/**
 * What is going to happen, in order. Time is cut into quanta; everything in a quantum happens at its end, in the
 * order of its coming. A wheel holds the near future, where nearly all events fall, at O(1) each; a heap the rest.
 * A swarm of 10,000 has hundreds of millions of events: a heap alone would be half of a run.
 */
export class TimeWheel {
  readonly #quantumMs: number;
  readonly #slots: (() => void)[][] = Array.from({ length: SLOTS }, () => []);
  readonly #far = new EventQueue();
  #tick = 0;
  #near = 0;
  #done = 0;

  constructor(quantumMs: number) {
    this.#quantumMs = quantumMs;
  }

  get nowMs(): number {
    return this.#tick * this.#quantumMs;
  }

  /** Events that have happened. */
  get done(): number {
    return this.#done;
  }

  /** @param atMs no earlier than now; it happens up to a quantum later */
  at(atMs: number, run: () => void): void {
    const tick = Math.max(this.#tick, Math.ceil(atMs / this.#quantumMs));
    if (tick - this.#tick >= SLOTS) {
      if (tick !== Infinity) this.#far.push(tick, run);
      return;
    }
    (this.#slots[tick & (SLOTS - 1)] as (() => void)[]).push(run);
    this.#near++;
  }

  /** Lets the next quantum happen in which anything does. @returns false where nothing is left to happen before `untilMs` */
  step(untilMs: number): boolean {
    const until = Math.floor(untilMs / this.#quantumMs);
    for (; this.#tick <= until; this.#tick++) {
      if (this.#near === 0) {
        const next = this.#far.peekMs();
        if (next === undefined || next > until) {
          this.#tick = until;
          return false;
        }
        this.#tick = Math.max(this.#tick, next);
      }
      this.#pullIn();
      const slot = this.#slots[this.#tick & (SLOTS - 1)] as (() => void)[];
      if (slot.length === 0) continue;
      // What happens may add to this very quantum.
      for (let i = 0; i < slot.length; i++) (slot[i] as () => void)();
      this.#near -= slot.length;
      this.#done += slot.length;
      if (slot.length > 1024) this.#slots[this.#tick & (SLOTS - 1)] = [];
      else slot.length = 0;
      this.#tick++;
      return true;
    }
    this.#tick = until;
    return false;
  }

  #pullIn(): void {
    for (let next = this.#far.peekMs(); next !== undefined; next = this.#far.peekMs()) {
      if (next - this.#tick >= SLOTS) return;
      const run = this.#far.pop();
      if (run) (this.#slots[next & (SLOTS - 1)] as (() => void)[]).push(run);
      this.#near++;
    }
  }
}
