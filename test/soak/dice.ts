import { randomInt, seededRng, type Rng } from '../../src/swarm/core/rng.ts';

/** Chance from a seed, so that a round can be played again as far as processes allow. */
export class Dice {
  readonly #rng: Rng;

  constructor(seed: number) {
    this.#rng = seededRng(seed);
  }

  /** From `low` to `high`, both possible. */
  int(low: number, high: number): number {
    return low + randomInt(this.#rng, high - low + 1);
  }

  chance(share: number): boolean {
    return this.#rng() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)] as T;
  }

  /** Small ones are as likely as large ones; every fourth is a multiple of 64 KiB, where chunks end. */
  sizeUpTo(max: number): number {
    const size = Math.floor(Math.exp(this.#rng() * Math.log(max + 1)));
    return this.chance(0.25) ? Math.min(max, Math.ceil(size / 65536) * 65536) : size;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const words = new Uint32Array(bytes.buffer, 0, length >>> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.#rng() * 2 ** 32;
    for (let i = words.length * 4; i < length; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }
}
