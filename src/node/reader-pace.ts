import type { Urgency } from '../swarm/asset-session.ts';

/** One leaf of the range that is read. */
export interface Leaf {
  chunk: number;
  start: number;
  size: number;
}

/** Taken for a reader's speed until it is known: 8 Mbit/s, a good video. */
const FIRST_BYTES_PER_SEC = 1024 * 1024;

/** A speed beyond these is as good as these: 128 kbit/s, and more than any link brings. */
const LEAST_BYTES_PER_SEC = 16 * 1024;
const MOST_BYTES_PER_SEC = 1024 * 1024 * 1024;

/** What is needed within this comes before everything else: the buffer that players keep. */
const HORIZON_MS = 10_000;

/** And so much at most: some tenths of a second of a fast link. The rest of the range comes rarest first. */
const MAX_URGENT_BYTES = 8 * 1024 * 1024;

/** But so many chunks at least, or a slow reader would wait for each one. */
const MIN_URGENT_CHUNKS = 4;

/** And so many at most: tiny chunks are asked for many at a time. */
const MAX_URGENT_CHUNKS = 512;

/** A reader that pauses for longer has stopped for a while, which says nothing of its speed. */
const LONGEST_PAUSE_MS = 10_000;

/** Weight of what came before, with each leaf: some ten leaves make the speed. */
const MEMORY = 0.9;

/**
 * How fast a reader reads, and so when it needs what. Its own time alone counts, between a leaf it got and its call for
 * the next: the time it had to wait says nothing of what it could take.
 */
export class ReaderPace {
  #bytes = 0;
  #busyMs = 0;

  /** The reader has had the bytes and wants more, so many ms after it got them. */
  took(bytes: number, busyMs: number): void {
    this.#bytes = MEMORY * this.#bytes + bytes;
    this.#busyMs = MEMORY * this.#busyMs + Math.min(busyMs, LONGEST_PAUSE_MS);
  }

  get bytesPerSec(): number {
    if (this.#bytes === 0) return FIRST_BYTES_PER_SEC;
    const measured = this.#busyMs === 0 ? Infinity : (this.#bytes / this.#busyMs) * 1000;
    return Math.min(MOST_BYTES_PER_SEC, Math.max(LEAST_BYTES_PER_SEC, measured));
  }

  /**
   * The leaves from `index` on that the reader needs soon and that are not here, each with its deadline.
   *
   * @param index the leaf that is needed now
   */
  urgent(leaves: readonly Leaf[], index: number, isHere: (chunk: number) => boolean): Urgency {
    const chunks: number[] = [];
    const dueInMs: number[] = [];
    const { bytesPerSec } = this;
    let bytes = 0;
    for (let at = index; at < leaves.length && bytes < MAX_URGENT_BYTES; at++) {
      const leaf = leaves[at] as Leaf;
      const dueMs = Math.round((bytes / bytesPerSec) * 1000);
      const seen = at - index;
      if (seen >= MAX_URGENT_CHUNKS || (dueMs > HORIZON_MS && seen >= MIN_URGENT_CHUNKS)) break;
      bytes += leaf.size;
      if (isHere(leaf.chunk)) continue;
      chunks.push(leaf.chunk);
      dueInMs.push(dueMs);
    }
    return { chunks, dueInMs };
  }
}

/** What several readers need, the soonest first; of what they need at the same time, each has its turn. */
export function mergeUrgency(all: readonly Urgency[]): Urgency {
  if (all.length === 1) return all[0] as Urgency;
  const merged = all.flatMap(({ chunks, dueInMs }) =>
    chunks.map((chunk, turn) => ({ chunk, dueInMs: dueInMs[turn] as number, turn })),
  );
  merged.sort((a, b) => a.dueInMs - b.dueInMs || a.turn - b.turn);
  const seen = new Set<number>();
  const first = merged.filter(({ chunk }) => !seen.has(chunk) && seen.add(chunk));
  return { chunks: first.map(({ chunk }) => chunk), dueInMs: first.map((each) => each.dueInMs) };
}
