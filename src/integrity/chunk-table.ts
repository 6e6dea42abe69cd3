import { ShoalError } from '../errors.ts';
import type { ChunkPlace } from './manifest.ts';

const FIRST_CAPACITY = 64;

/**
 * The distinct leaves of an asset, numbered in the order they are added: digest, size, and where they lie. Held in a
 * few flat arrays (about 60 bytes a chunk), since an asset can have millions.
 */
export class ChunkTable {
  #digests = new Uint8Array(FIRST_CAPACITY * 32);
  #sizes = new Uint32Array(FIRST_CAPACITY);
  #firstFile = new Uint32Array(FIRST_CAPACITY);
  #firstOffset = new Float64Array(FIRST_CAPACITY);
  /** Places after the first one, as file, offset, file, offset …; only of chunks that recur. */
  readonly #more = new Map<number, number[]>();
  /** Open-addressing hash table: chunk number + 1, 0 where free; twice the capacity. */
  #slots = new Uint32Array(FIRST_CAPACITY * 2);
  readonly #seed: Uint32Array;
  #count = 0;
  #bytes = 0;
  #maxSize = 0;

  /**
   * @param seed the root's digest, 32 bytes. It depends on all leaves, so that nobody can choose leaves whose
   * digests all fall into one slot
   */
  constructor(seed: Uint8Array) {
    this.#seed = words(seed, 0);
  }

  get count(): number {
    return this.#count;
  }

  /** Sum of the sizes of the distinct chunks. */
  get bytes(): number {
    return this.#bytes;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /**
   * Notes that the leaf with the digest at `digests[at…at + 32)` lies in entry `file` at byte `offset`.
   *
   * @returns its chunk number, the same for equal leaves
   * @throws ERR_ASSET_INVALID where one digest is announced with two sizes
   */
  add(digests: Uint8Array, at: number, size: number, file: number, offset: number): number {
    if (this.#count === this.#sizes.length) this.#grow();
    const slot = this.#find(digests, at);
    const known = this.#slots[slot] as number;
    if (known > 0) return this.#recur(known - 1, size, file, offset);
    const n = this.#count++;
    this.#slots[slot] = n + 1;
    this.#digests.set(digests.subarray(at, at + 32), n * 32);
    this.#sizes[n] = size;
    this.#firstFile[n] = file;
    this.#firstOffset[n] = offset;
    this.#bytes += size;
    this.#maxSize = Math.max(this.#maxSize, size);
    return n;
  }

  size(n: number): number {
    this.#check(n);
    return this.#sizes[n] as number;
  }

  digest(n: number): Uint8Array {
    this.#check(n);
    return this.#digests.subarray(n * 32, n * 32 + 32);
  }

  /** @param most at most so many, since a chunk of zeros can lie at a million places. Default: all */
  places(n: number, most = Infinity): ChunkPlace[] {
    this.#check(n);
    const places = [{ file: this.#firstFile[n] as number, offset: this.#firstOffset[n] as number }];
    const more = this.#more.get(n) ?? [];
    for (let i = 0; i < more.length && places.length < most; i += 2)
      places.push({ file: more[i] as number, offset: more[i + 1] as number });
    return places;
  }

  /** Nothing will be added any more: drops what only {@link add} needs. */
  freeze(): void {
    this.#slots = new Uint32Array(0);
    this.#digests = this.#digests.slice(0, this.#count * 32);
    this.#sizes = this.#sizes.slice(0, this.#count);
  }

  #recur(n: number, size: number, file: number, offset: number): number {
    if (this.#sizes[n] !== size) {
      throw new ShoalError(
        'ERR_ASSET_INVALID',
        `The asset announces one and the same chunk with ${this.#sizes[n]} and with ${size} bytes; its publisher must share it again`,
        { fault: 'none' },
      );
    }
    const more = this.#more.get(n);
    if (more) more.push(file, offset);
    else this.#more.set(n, [file, offset]);
    return n;
  }

  /** The slot that holds the digest, or the free one where it belongs. */
  #find(digests: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(digests, at) & mask;
    for (;;) {
      const entry = this.#slots[slot] as number;
      if (entry === 0 || this.#equals((entry - 1) * 32, digests, at)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /**
   * Hash of the digest's eight words, keyed with the seed. Each is mixed into all bits before the next one comes: in a sum of
   * products the high bits of a word reach high bits alone, and words that have no others all fall into a few slots.
   */
  #hash(digests: Uint8Array, at: number): number {
    let hash = 0;
    for (let i = 0; i < 8; i++) {
      const p = at + i * 4;
      const word =
        (digests[p] as number) |
        ((digests[p + 1] as number) << 8) |
        ((digests[p + 2] as number) << 16) |
        ((digests[p + 3] as number) << 24);
      hash = Math.imul(hash ^ word, this.#seed[i] as number);
      hash ^= hash >>> 15;
    }
    return hash >>> 0;
  }

  #equals(own: number, digests: Uint8Array, at: number): boolean {
    for (let i = 0; i < 32; i++) if (this.#digests[own + i] !== digests[at + i]) return false;
    return true;
  }

  #grow(): void {
    const capacity = this.#sizes.length * 2;
    this.#digests = grown(this.#digests, new Uint8Array(capacity * 32));
    this.#sizes = grown(this.#sizes, new Uint32Array(capacity));
    this.#firstFile = grown(this.#firstFile, new Uint32Array(capacity));
    this.#firstOffset = grown(this.#firstOffset, new Float64Array(capacity));
    this.#slots = new Uint32Array(capacity * 2);
    for (let n = 0; n < this.#count; n++) this.#slots[this.#find(this.#digests, n * 32)] = n + 1;
  }

  #check(n: number): void {
    if (!Number.isInteger(n) || n < 0 || n >= this.#count)
      throw new RangeError(`chunk ${n} of ${this.#count}`);
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Eight 32-bit words, made odd so that none of them loses a word of the input. */
function words(bytes: Uint8Array, at: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 32);
  return Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(i * 4) | 1);
}
