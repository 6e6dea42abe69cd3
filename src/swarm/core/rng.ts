/** A source of numbers in [0, 1). The core draws all its chance from one, so that a seed repeats a run. */
export type Rng = () => number;

/**
 * A small seeded generator (mulberry32): good enough to break ties, not for secrets.
 *
 * @param seed any number; its lower 32 bits count
 */
export function seededRng(seed: number): Rng {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number in [0, below). */
export function randomInt(rng: Rng, below: number): number {
  return Math.floor(rng() * below);
}

/** Puts the items into a random order, in place (Fisher and Yates). */
export function shuffle<T extends { length: number; [index: number]: unknown }>(rng: Rng, items: T): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomInt(rng, i + 1);
    const kept = items[i];
    items[i] = items[j];
    items[j] = kept;
  }
  return items;
}
