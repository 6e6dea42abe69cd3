/** The least wait of so long counts: a loop or two. */
const WINDOW_MS = 200;

/** A shorter wait is none: round trips are known that well. */
const IDLE_MS = 10;

/** A longer one is a queue that does nothing but delay. */
const LONG_MS = 40;

/** The look-ahead changes by this share with each window. */
const STEP = 1.1;
const MOST = 4;

/** Pace where the uplink idles, and where a queue has built up behind it. */
const FASTER = 1.25;
const SLOWER = 0.9;

/**
 * Whether the uplink has enough to do, told from the acknowledgements of all peers: what a chunk took beyond its
 * round trip and its transmission it waited somewhere. Where this node's uplink is the bottleneck, every chunk
 * waited for it; where receivers are, only those to them did. So the least wait among all peers is that of the
 * uplink, and where it is next to nothing the uplink has idled: the look-ahead was too short, whatever rate and
 * round trips seemed to say. Without this a rate that was measured while receivers were slow makes the look-ahead
 * shorter, and that the rate lower, and so on (one GiB, mixed uplinks, N = 10: 1.34 without, 1.07 with it).
 */
export class UplinkWait {
  /** The look-ahead is to be longer by this factor. */
  boost = 1;
  /** Chunks are to be handed out faster or slower than they were delivered lately. */
  pace = 1;
  #leastMs = Infinity;
  #sinceMs = 0;
  #samples = 0;
  #wasFull = true;

  /**
   * A chunk was acknowledged.
   *
   * @param waitMs what it took, less its round trip and transmission
   * @param isFull whether as much was under way as the look-ahead allowed: otherwise there was no more to send
   */
  note(nowMs: number, waitMs: number, isFull: boolean): void {
    if (!isFull) this.#wasFull = false;
    this.#leastMs = Math.min(this.#leastMs, waitMs);
    this.#samples++;
    if (nowMs - this.#sinceMs < WINDOW_MS || this.#samples < 3) return;
    if (this.#leastMs < IDLE_MS) this.pace = FASTER;
    else this.pace = this.#leastMs > LONG_MS ? SLOWER : 1;
    if (this.#leastMs < IDLE_MS && this.#wasFull) this.boost = Math.min(MOST, this.boost * STEP);
    else if (this.#leastMs > LONG_MS) this.boost = Math.max(1, this.boost / STEP);
    this.#restart(nowMs);
  }

  #restart(nowMs: number): void {
    this.#leastMs = Infinity;
    this.#wasFull = true;
    this.#samples = 0;
    this.#sinceMs = nowMs;
  }
}
