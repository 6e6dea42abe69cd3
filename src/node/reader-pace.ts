import type { Urgency } from '../swarm/asset-session.ts';
import { MAX_URGENT } from '../swarm/core/urgency.ts';

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

/**
 * What several readers need, the soonest first; of what they need at the same time, each has its turn. No more than the
 * exchange heeds: it is asked with each leaf that one of them comes to, and a hundred of them need fifty thousand.
 *
 * @param isHere of each it has come meanwhile: a reader that pauses says nothing anew
 */
export function mergeUrgency(all: readonly Urgency[], isHere: (chunk: number) => boolean): Urgency {
  if (all.length === 1) return all[0] as Urgency;
  const seen = new Set<number>();
  const dueInMs: number[] = [];
  const isSpare = (chunk: number): boolean => seen.has(chunk) || isHere(chunk);
  // The soonest is the last.
  const heads = distinct(all)
    .map((list, order) => ({ list, order, turn: 0 }))
    .sort((a, b) => (isBefore(a, b) ? 1 : -1));
  for (let head = heads.pop(); head && seen.size < MAX_URGENT; head = heads.pop()) {
    const { chunks, dueInMs: due } = head.list;
    const chunk = chunks[head.turn] as number;
    if (!isSpare(chunk)) {
      seen.add(chunk);
      dueInMs.push(due[head.turn] as number);
    }
    while (head.turn < chunks.length && isSpare(chunks[head.turn] as number)) head.turn++;
    if (head.turn < chunks.length) insert(heads, head);
  }
  return { chunks: [...seen], dueInMs };
}

/** The next chunk of a reader's list. */
interface Head {
  list: Urgency;
  order: number;
  turn: number;
}

function isBefore(a: Head, b: Head): boolean {
  const laterMs = (a.list.dueInMs[a.turn] as number) - (b.list.dueInMs[b.turn] as number);
  return (laterMs || a.turn - b.turn || a.order - b.order) < 0;
}

function insert(heads: Head[], head: Head): void {
  let [low, high] = [0, heads.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(heads[middle] as Head, head)) high = middle;
    else low = middle + 1;
  }
  heads.splice(low, 0, head);
}

/** Of readers that read the same in step one speaks for all: the fastest. */
function distinct(all: readonly Urgency[]): Urgency[] {
  const lists = new Map<string, Urgency>();
  for (const list of all) {
    const { chunks, dueInMs } = list;
    if (chunks.length === 0) continue;
    const key = `${chunks[0]} ${chunks.at(-1)} ${chunks.length}`;
    const before = lists.get(key)?.dueInMs.at(-1) ?? Infinity;
    if ((dueInMs.at(-1) as number) < before) lists.set(key, list);
  }
  return [...lists.values()];
}
