import type { Bitfield } from './bitfield.ts';
import { randomInt, shuffle, type Rng } from './rng.ts';

/**
 * Rarest first, random among ties: the chunks that could be asked for, kept sorted by availability.
 *
 * The pickable chunks lie in one array, in buckets of equal availability one after the other; a chunk changes
 * its bucket by swapping with the bucket's edge, so HAVE costs O(1), and adding or removing a chunk costs one
 * move for each bucket. A fixed order among ties would make all peers fetch the same chunks (the study: 3.4
 * times the bound), so each picker starts from its own shuffle and searches a bucket from a random place. The
 * idea of the sorted array is that of libtorrent's `piece_picker`.
 */
export class ChunkPicker {
  readonly #rng: Rng;
  readonly #availability: Uint16Array;
  /** Pickable chunks, rarest bucket first; only the first `count` entries count. */
  readonly #order: Int32Array;
  /** Place of each chunk in `#order`, −1 where it is not pickable. */
  readonly #place: Int32Array;
  /** `#ends[a]` is where the bucket of availability `a` ends (exclusive). */
  readonly #ends: number[] = [0];
  #count = 0;

  /** @param size number of chunks; none is pickable at first */
  constructor(size: number, rng: Rng) {
    this.#rng = rng;
    this.#availability = new Uint16Array(size);
    this.#order = new Int32Array(size);
    this.#place = new Int32Array(size).fill(-1);
  }

  /** Number of pickable chunks. */
  get count(): number {
    return this.#count;
  }

  /** Connected peers that announced this chunk, without those that hold everything. */
  availability(chunk: number): number {
    return this.#availability[chunk] as number;
  }

  isPickable(chunk: number): boolean {
    return (this.#place[chunk] as number) >= 0;
  }

  /** Makes many chunks pickable at once, in random order. They must not be pickable yet. */
  addAll(chunks: number[]): void {
    for (const chunk of shuffle(this.#rng, chunks)) this.#insert(chunk);
  }

  /** Makes a chunk pickable; nothing happens where it is. */
  add(chunk: number): void {
    if (this.isPickable(chunk)) return;
    const place = this.#insert(chunk);
    const level = this.availability(chunk);
    const start = this.#start(level);
    this.#swap(place, start + randomInt(this.#rng, (this.#ends[level] as number) - start));
  }

  /** Makes a chunk unpickable (asked for, here, or not wanted); nothing happens where it is. */
  remove(chunk: number): void {
    let hole = this.#place[chunk] as number;
    if (hole < 0) return;
    for (let level = this.availability(chunk); level < this.#ends.length; level++) {
      const last = (this.#ends[level] as number) - 1;
      if (last !== hole) this.#put(this.#order[last] as number, hole);
      hole = last;
      this.#ends[level] = last;
    }
    this.#place[chunk] = -1;
    this.#count--;
  }

  /** One more peer announced the chunk. */
  gain(chunk: number): void {
    const level = this.availability(chunk);
    if (this.isPickable(chunk)) {
      this.#reach(level + 1);
      const last = (this.#ends[level] as number) - 1;
      this.#swap(this.#place[chunk] as number, last);
      this.#ends[level] = last;
    }
    this.#availability[chunk] = level + 1;
  }

  /** A peer that announced the chunk is gone, or has lost it. */
  lose(chunk: number): void {
    const level = this.availability(chunk);
    if (level === 0) throw new RangeError(`chunk ${chunk} is held by nobody`);
    if (this.isPickable(chunk)) {
      const first = this.#start(level);
      this.#swap(this.#place[chunk] as number, first);
      this.#ends[level - 1] = first + 1;
    }
    this.#availability[chunk] = level - 1;
  }

  /**
   * The rarest pickable chunk that a peer holds, random among equals.
   *
   * @param suits whether the chunk is acceptable besides (its size fits the credit …)
   * @returns −1 where there is none
   */
  pick(theirs: Bitfield, suits: (chunk: number) => boolean): number {
    let start = 0;
    for (let level = 0; level < this.#ends.length; level++) {
      const end = this.#ends[level] as number;
      const width = end - start;
      if (width > 0) {
        let at = start + randomInt(this.#rng, width);
        for (let tried = 0; tried < width; tried++) {
          const chunk = this.#order[at] as number;
          if (theirs.has(chunk) && suits(chunk)) return chunk;
          if (++at === end) at = start;
        }
      }
      start = end;
    }
    return -1;
  }

  /** Throws where the buckets contradict the availabilities. For tests. */
  checkInvariants(): void {
    let at = 0;
    for (let level = 0; level < this.#ends.length; level++) {
      for (; at < (this.#ends[level] as number); at++) {
        const chunk = this.#order[at] as number;
        if (this.#place[chunk] !== at) throw new Error(`chunk ${chunk} is not where its place says`);
        if (this.availability(chunk) !== level) throw new Error(`chunk ${chunk} lies in the wrong bucket`);
      }
    }
    if (at !== this.#count) throw new Error('the buckets do not hold all pickable chunks');
  }

  #start(level: number): number {
    return level === 0 ? 0 : (this.#ends[level - 1] as number);
  }

  #reach(level: number): void {
    while (this.#ends.length <= level) this.#ends.push(this.#count);
  }

  /** Opens a gap at the end of the chunk's bucket by moving one chunk of each later bucket. */
  #insert(chunk: number): number {
    const level = this.availability(chunk);
    this.#reach(level);
    let gap = this.#count++;
    for (let later = this.#ends.length - 1; later > level; later--) {
      const start = this.#start(later);
      if (start !== gap) this.#put(this.#order[start] as number, gap);
      this.#ends[later] = (this.#ends[later] as number) + 1;
      gap = start;
    }
    this.#ends[level] = gap + 1;
    this.#put(chunk, gap);
    return gap;
  }

  #put(chunk: number, place: number): void {
    this.#order[place] = chunk;
    this.#place[chunk] = place;
  }

  #swap(a: number, b: number): void {
    const kept = this.#order[a] as number;
    this.#put(this.#order[b] as number, a);
    this.#put(kept, b);
  }
}
