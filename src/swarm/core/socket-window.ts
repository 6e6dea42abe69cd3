import { PeerClock } from './peer-clock.ts';
import { RecentLeast } from './recent-least.ts';

/** What a new connection, or one that has rested, takes at once: TCP's first window of ten segments, and as much to follow. */
const FIRST_BYTES = 32 << 10;

/** More than a socket takes (Linux: 4 MiB by default): from here on the socket itself says when it is full. */
const MOST_BYTES = 8 << 20;

/** TCP forgets its window when it rests for longer than a time-out, which is round trips and at least 0.2 s. */
const REST_MS = 500;

/** Who acknowledges nothing for so long, whatever else it says, holds no room that others could use. */
const STALE_MS = 3000;

/** How long a part takes at least is remembered for one to two of these. */
const LEAST_MS = 150_000;

/** Parts of what is written, each of which is timed: as long as a record of TLS, but no more than so many of one write. */
const PART_BYTES = 16 << 10;
const MOST_PARTS = 16;

/** How long a part took from the write until it was with the peer, and how long it takes at least. */
export interface Took {
  readonly tookMs: number;
  readonly leastMs: number;
}

/**
 * How much of chunks may lie in one link's socket, and not be acknowledged by the peer. A socket takes whatever it is
 * given, and what is in it stands before the grants, requests and news that follow, and before the acknowledgements of what
 * the peer sends, so that its uplink seems full and idles. So a socket is given little more than TCP has under way: this
 * window grows as TCP's does, by what is acknowledged while it holds something back.
 */
export class SocketWindow {
  #writtenBytes = 0;
  #ackedBytes = 0;
  #windowBytes = FIRST_BYTES;
  #isFull = false;
  #movedAtMs = 0;
  /** Parts that are not acknowledged: when each was written, and where it ends. */
  readonly #parts: { atMs: number; end: number }[] = [];
  readonly #least = new RecentLeast(LEAST_MS);
  readonly #clock = new PeerClock();

  /** Written since the link came up. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Written and not acknowledged. */
  get unackedBytes(): number {
    return this.#writtenBytes - this.#ackedBytes;
  }

  /** What of that counts for all sockets together: nothing where it has not moved for long. */
  countedBytes(nowMs: number): number {
    return nowMs - this.#movedAtMs > STALE_MS ? 0 : this.unackedBytes;
  }

  /** How large the window is now. */
  get bytes(): number {
    return this.#windowBytes;
  }

  /** Bytes that may be written now. */
  get roomBytes(): number {
    return this.#windowBytes - this.unackedBytes;
  }

  /** What was to be written next is held back by this window. */
  heldBack(): void {
    this.#isFull = true;
  }

  wrote(nowMs: number, bytes: number): void {
    if (this.unackedBytes === 0 && nowMs - this.#movedAtMs > REST_MS) this.#windowBytes = FIRST_BYTES;
    this.#movedAtMs = nowMs;
    const end = this.#writtenBytes + bytes;
    const step = Math.max(PART_BYTES, bytes / MOST_PARTS);
    for (let at = this.#writtenBytes + step; at < end; at += step) this.#parts.push({ atMs: nowMs, end: at });
    this.#parts.push({ atMs: nowMs, end });
    this.#writtenBytes = end;
  }

  /**
   * @param totalBytes all that the peer says to have received since the link came up. What cannot be is the shell's to punish
   * @param theirMs when the last of it came, by the peer's clock; undefined: it does not say
   * @returns how long the part that came last took; undefined where none came to its end
   */
  acked(nowMs: number, totalBytes: number, theirMs: number | undefined): Took | undefined {
    const bytes = Math.min(totalBytes, this.#writtenBytes) - this.#ackedBytes;
    if (!(bytes > 0)) return undefined;
    this.#ackedBytes += bytes;
    this.#movedAtMs = nowMs;
    if (this.#isFull) this.#windowBytes = Math.min(MOST_BYTES, this.#windowBytes + bytes);
    this.#isFull = false;
    let last: { atMs: number } | undefined;
    while ((this.#parts[0]?.end ?? Infinity) <= this.#ackedBytes) last = this.#parts.shift();
    const cameAtMs = this.#clock.toMine(nowMs, theirMs, last?.atMs ?? -Infinity);
    if (!last) return undefined;
    const tookMs = cameAtMs - last.atMs;
    this.#least.note(nowMs, tookMs);
    return { tookMs, leastMs: this.#least.value };
  }
}
