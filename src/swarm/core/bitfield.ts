/**
 * A set of chunk numbers below `size`, one bit each, most significant bit first (as in BEP 3), with its
 * cardinality kept.
 */
export class Bitfield {
  readonly size: number;
  readonly bytes: Uint8Array;
  #count: number;

  /** @param bytes taken over, not copied; must be exactly `ceil(size / 8)` long with no stray bits at its end */
  constructor(size: number, bytes?: Uint8Array) {
    this.size = size;
    this.bytes = bytes ?? new Uint8Array(Math.ceil(size / 8));
    if (!Bitfield.fits(size, this.bytes)) throw new RangeError(`not a bitfield of ${size} bits`);
    this.#count = 0;
    if (bytes) {
      for (let byte of bytes) {
        for (; byte; byte &= byte - 1) this.#count++;
      }
    }
  }

  /** Whether `bytes` is a well-formed bitfield of `size` bits: the check for what a peer sent. */
  static fits(size: number, bytes: Uint8Array): boolean {
    if (bytes.byteLength !== Math.ceil(size / 8)) return false;
    const spare = bytes.byteLength * 8 - size;
    return spare === 0 || ((bytes[bytes.byteLength - 1] as number) & ((1 << spare) - 1)) === 0;
  }

  static full(size: number): Bitfield {
    const bytes = new Uint8Array(Math.ceil(size / 8)).fill(0xff);
    const spare = bytes.byteLength * 8 - size;
    if (spare > 0) bytes[bytes.byteLength - 1] = (0xff << spare) & 0xff;
    return new Bitfield(size, bytes);
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  has(n: number): boolean {
    return n >= 0 && n < this.size && ((this.bytes[n >> 3] as number) & (0x80 >> (n & 7))) !== 0;
  }

  /** @returns whether the bit was clear before */
  set(n: number): boolean {
    if (n < 0 || n >= this.size) throw new RangeError(`bit ${n} of ${this.size}`);
    if (this.has(n)) return false;
    this.bytes[n >> 3] = (this.bytes[n >> 3] as number) | (0x80 >> (n & 7));
    this.#count++;
    return true;
  }

  /** @returns whether the bit was set before */
  clear(n: number): boolean {
    if (!this.has(n)) return false;
    this.bytes[n >> 3] = (this.bytes[n >> 3] as number) & ~(0x80 >> (n & 7));
    this.#count--;
    return true;
  }

  clone(): Bitfield {
    return new Bitfield(this.size, this.bytes.slice());
  }
}

/** Tells of each bit in which two sets of one size differ, in their order; undefined: a set of none. */
export function eachChange(
  before: Bitfield | undefined,
  after: Bitfield | undefined,
  onGained: (n: number) => void,
  onLost: (n: number) => void,
): void {
  const byteLength = (before ?? after)?.bytes.byteLength ?? 0;
  for (let at = 0; at < byteLength; at++) {
    const now = after ? (after.bytes[at] as number) : 0;
    let changed = now ^ (before ? (before.bytes[at] as number) : 0);
    while (changed !== 0) {
      const bit = Math.clz32(changed) - 24;
      const mask = 0x80 >> bit;
      changed ^= mask;
      if ((now & mask) !== 0) onGained(at * 8 + bit);
      else onLost(at * 8 + bit);
    }
  }
}
