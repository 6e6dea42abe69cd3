import type { Took } from './socket-window.ts';

/** At first, until something is known: what an uplink of 10 Mbit/s delivers in 0.1 s. */
const FIRST_BYTES = 128 << 10;

/** Never less: three records of TLS, so that one waits while another is on its way. */
const LEAST_BYTES = 48 << 10;

/** Never more than the exchange commits (`maxCommittedBytes`). */
const MOST_BYTES = 64 << 20;

/**
 * What is written should wait for so long. With 0.1 s uplinks idle on long paths, with 0.2 it is as good. (Mixed uplinks, N = 10,
 * on 20 to 150 ms / at 80 ms: 1.25 / 1.17 with 100, 1.22 / 1.12 with 150, 1.24 / 1.12 with 200; all of it in sockets: 1.57 / 1.18.)
 */
const WAIT_MS = 150;

/** A longer wait counts as this much: what one peer says must not stop the others' chunks. */
const LONGEST_WAIT_MS = 4 * WAIT_MS;

/** Looked at after so long, and after what was written then came, with so many parts. */
const PERIOD_MS = 100;
const PERIOD_PARTS = 8;

/** It shrinks by half of what is too much, and at most doubles or halves. */
const SHRINKING = 0.5;
const MOST_CHANGE = 2;

/**
 * How much of chunks may lie in all sockets together, and not be acknowledged: so much that something always waits for the uplink,
 * and little of it. By Little's law the mean time on the way is what is on the way over the uplink's rate, whichever way
 * sockets share it: the window grows and shrinks with what that is to be over what it was (as in FAST TCP, Wei et al. 2006).
 * Rates are not asked: they are the best of a second, and what is held back would lower them.
 */
export class SocketsWindow {
  #bytes = FIRST_BYTES;
  #isFull = false;
  #tookMs = 0;
  #leastMs = 0;
  #parts = 0;
  #sinceMs = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** What was to be written next is held back by this window. */
  heldBack(): void {
    this.#isFull = true;
  }

  /** A part came to a peer. */
  took(nowMs: number, { tookMs, leastMs }: Took): void {
    this.#tookMs += Math.min(tookMs, leastMs + LONGEST_WAIT_MS);
    this.#leastMs += leastMs;
    this.#parts++;
    const meanMs = this.#tookMs / this.#parts;
    if (this.#parts < PERIOD_PARTS || nowMs - this.#sinceMs < Math.max(PERIOD_MS, meanMs)) return;
    const change = (this.#leastMs / this.#parts + WAIT_MS) / Math.max(1, meanMs) - 1;
    const factor = change < 0 ? 1 + SHRINKING * change : 1 + change;
    if (change < 0 || this.#isFull) this.#scale(factor);
    this.#isFull = false;
    this.#tookMs = 0;
    this.#leastMs = 0;
    this.#parts = 0;
    this.#sinceMs = nowMs;
  }

  #scale(factor: number): void {
    const bytes = this.#bytes * Math.min(MOST_CHANGE, Math.max(1 / MOST_CHANGE, factor));
    this.#bytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, bytes));
  }
}
