import { RecentLeast } from './recent-least.ts';

/** Clocks drift apart by some ms in this time, and a way back may become longer. */
const WINDOW_MS = 150_000;

/**
 * Reads a peer's clock from what it says in acknowledgements. These stand behind the peer's own data for as long as that
 * takes on a slow uplink, which says nothing of this node's. The least that one ever took makes the two clocks the same, but
 * for that least time. As LEDBAT does (RFC 6817), which looks at one way only, too.
 */
export class PeerClock {
  readonly #least = new RecentLeast(WINDOW_MS);

  /**
   * @param theirMs what the peer's clock said; undefined: it said nothing
   * @returns when the acknowledgement would have come had it not been held up, by this node's clock: no later than now
   */
  toMine(nowMs: number, theirMs: number | undefined): number {
    if (theirMs === undefined) return nowMs;
    this.#least.note(nowMs, nowMs - theirMs);
    return theirMs + this.#least.value;
  }
}
