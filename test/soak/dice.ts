/** Chance from a seed (mulberry32), so that a round can be played again as far as processes allow. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From `low` to `high`, both possible. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)] as T;
  }

  /** Small ones are as likely as large ones; every fourth is a multiple of 64 KiB, where chunks end. */
  sizeUpTo(max: number): number {
    const size = Math.floor(Math.exp(this.next() * Math.log(max + 1)));
    return this.chance(0.25) ? Math.min(max, Math.ceil(size / 65536) * 65536) : size;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const words = new Uint32Array(bytes.buffer, 0, length >>> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.next() * 2 ** 32;
    for (let i = words.length * 4; i < length; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }
}

/** Rates of links, as the command line takes them: some so low that trouble comes in the middle of every download. */
export const RATES = ['500kB', '1MB', '2MB', '4MB', '8MB'] as const;
