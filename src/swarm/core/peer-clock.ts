import { RecentLeast } from './recent-least.ts';

/** Clocks drift apart by some ms in this time, and a way back may become longer. */
const WINDOW_MS = 150_000;

/**
 * Reads a peer's clock from what it says in acknowledgements. These stand behind the peer's own data for as long as that
 * takes on a slow uplink, which says nothing of this node's. The least that one ever took makes the two clocks the same, but
 * for that least time. As LEDBAT does (RFC 6817), which looks at one way only, too.
 */
export class PeerClock {
  #least = new RecentLeast(WINDOW_MS);

  /**
   * @param theirMs what the peer's clock said; undefined: it said nothing
   * @param sentAtMs when what is acknowledged was handed out
   * @returns when the acknowledgement would have come had it not been held up, by this node's clock: no later than now. Where that is
   *   before anything was sent the peer's clock stood still, as its machine slept, or it lies: what was known of it says nothing
   */
  toMine(nowMs: number, theirMs: number | undefined, sentAtMs: number): number {
    if (theirMs === undefined) return nowMs;
    this.#least.note(nowMs, nowMs - theirMs);
    const cameAtMs = theirMs + this.#least.value;
    if (cameAtMs >= sentAtMs) return cameAtMs;
    this.#least = new RecentLeast(WINDOW_MS);
    this.#least.note(nowMs, nowMs - theirMs);
    return nowMs;
  }
}
