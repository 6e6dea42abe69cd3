/** A shorter wait is none: acknowledgements are batched, and what is usual is known that well. */
const IDLE_MS = 40;

/** After a longer one the uplink was surely busy with something else. */
const BUSY_MS = 60;

/** The look-ahead settles where this share of the chunks finds the uplink idle. */
const IDLE_SHARE = 0.01;

/** An idle moment makes the look-ahead longer by this for each so many ms that it stands for, from one to twenty of them. */
const GROWTH = 1.01;
const MOMENT_MS = 25;
const MOST_MOMENTS = 20;

/** The longest: chunks of 1 MiB on paths of 85 ms and 20 Mbit/s need eight times what round trips account for. */
const MOST = 12;

/** Chunks are handed out so much faster than they are delivered where the uplink idled of late. */
const FASTER = 1.25;
const LATELY_MS = 200;

/**
 * And so much slower where every chunk of the last period waited for longer than this: what is in the sockets stands before
 * grants, requests and pings, and can neither be taken back nor overtaken. (Rates are the best of a second, some 15 % more
 * than the mean, so that what was handed out by them alone piled up in the sockets, up to all of the look-ahead.)
 */
const SLOWER = 0.75;
const QUEUED_MS = 100;
const PERIOD_MS = 1000;
/** A period has at least so many chunks: two or three may all have waited for their own connections. */
const PERIOD_CHUNKS = 4;
/** With fewer chunks under way there is no queue to speak of: who is late then is late for want of CPU time. */
const QUEUE_CHUNKS = 4;

/** Where that makes the waits no shorter than by this, the queue is not this node's but the acknowledgements'. It is let be for a while. */
const SHRINK_MS = 50;
const LET_BE_MS = 10_000;

/**
 * Whether the uplink has enough to do, told from the acknowledgements of all peers: a chunk waited, beyond what is
 * usual, until something of it arrived. Only the beginning tells: the rest takes as long as slow start does, four round
 * trips of a cold connection and more, while the uplink idles unless other chunks are under way beside it.
 *
 * Where a chunk did not wait the uplink was idle as it was handed out, and the look-ahead was too short, whatever rate
 * and round trips seem to say. Only a few of them may find it so (a quantile, tracked as by Robbins and Monro, 1951).
 */
export class UplinkWait {
  /** The look-ahead is to be longer by this factor. */
  boost = 1;
  #idleAtMs = -Infinity;
  #notedAtMs = 0;
  /** The shortest wait of this period and of the last, and when this one is over. */
  #leastMs = Infinity;
  #lastLeastMs = 0;
  #periodEndMs: number | undefined;
  #periodChunks = 0;
  #slowUntilMs = -Infinity;
  #letBeUntilMs = -Infinity;

  /**
   * The first of a chunk was acknowledged.
   *
   * @param waitMs what that took, less the least it takes to this peer
   * @param underWay chunks that are, of all peers
   * @param isFull whether as much was under way as the look-ahead allowed: otherwise there was no more to send
   */
  note(nowMs: number, waitMs: number, underWay: number, isFull: boolean): void {
    const moments = Math.min(MOST_MOMENTS, Math.max(1, (nowMs - this.#notedAtMs) / MOMENT_MS));
    this.#notedAtMs = nowMs;
    this.#watchQueue(nowMs, underWay < QUEUE_CHUNKS ? 0 : waitMs);
    const growth = GROWTH ** moments;
    if (waitMs < IDLE_MS) {
      this.#idleAtMs = nowMs;
      if (isFull) this.boost = Math.min(MOST, this.boost * growth);
    } else if (waitMs > BUSY_MS) {
      this.boost = Math.max(1, this.boost * growth ** (-IDLE_SHARE / (1 - IDLE_SHARE)));
    }
  }

  /** Whether all chunks of the last period waited in a queue. */
  get isQueued(): boolean {
    return this.#lastLeastMs > QUEUED_MS;
  }

  /** How much faster than they were delivered chunks are to be handed out. */
  pace(nowMs: number): number {
    if (nowMs - this.#idleAtMs < LATELY_MS) return FASTER;
    return nowMs < this.#slowUntilMs ? SLOWER : 1;
  }

  #watchQueue(nowMs: number, waitMs: number): void {
    this.#leastMs = Math.min(this.#leastMs, waitMs);
    this.#periodEndMs ??= nowMs + PERIOD_MS;
    if (++this.#periodChunks < PERIOD_CHUNKS || nowMs < this.#periodEndMs) return;
    const shrunkMs = this.#lastLeastMs - this.#leastMs;
    this.#lastLeastMs = this.#leastMs;
    this.#leastMs = Infinity;
    this.#periodChunks = 0;
    this.#periodEndMs = nowMs + PERIOD_MS;
    const wasSlowed = this.#slowUntilMs > -Infinity;
    if (this.isQueued && wasSlowed && shrunkMs < SHRINK_MS) this.#letBeUntilMs = nowMs + LET_BE_MS;
    const isSlowed = this.isQueued && nowMs >= this.#letBeUntilMs;
    this.#slowUntilMs = isSlowed ? this.#periodEndMs : -Infinity;
  }
}
