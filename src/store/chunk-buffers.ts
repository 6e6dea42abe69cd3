/**
 * Memory kept for chunks to come. Enough for what is written while as much arrives on a fast link. Twice as much is kept while
 * some is in use: what a slow disk holds back for a moment is soon held back again.
 */
const MAX_KEPT_BYTES = 16 << 20;

/** Smaller ones cost more to keep than to make. */
const MIN_KEPT_BYTES = 64 << 10;

/**
 * Memory for chunks, used again. Each new buffer counts against V8's limit for memory outside of its heap, and every
 * 32 MiB or so of it start a collection of the whole heap: with fresh buffers those took a third of all CPU time.
 */
export class ChunkBuffers {
  readonly #kept = new Map<number, Uint8Array[]>();
  #keptBytes = 0;
  #inUseBytes = 0;

  /**
   * Memory of exactly `size` bytes, with anything in it.
   *
   * @param onFresh told of memory that is new
   */
  take(size: number, onFresh?: (size: number) => void): Uint8Array {
    this.#inUseBytes += size;
    const kept = this.#kept.get(size)?.pop();
    if (kept) {
      this.#keptBytes -= size;
      return kept;
    }
    onFresh?.(size);
    return newBuffer(size);
  }

  /** Gives memory back: nobody may read or write it from here on. */
  give(bytes: Uint8Array): void {
    const size = bytes.byteLength;
    this.#inUseBytes -= size;
    if (size < MIN_KEPT_BYTES) return;
    const kept = this.#kept.get(size) ?? [];
    this.#kept.set(size, kept);
    kept.push(bytes);
    this.#keptBytes += size;
    const max = this.#inUseBytes > 0 ? 2 * MAX_KEPT_BYTES : MAX_KEPT_BYTES;
    while (this.#keptBytes > max && kept.pop()) this.#keptBytes -= size;
  }
}

/** In Node it is not cleared first, which costs a quarter as much as hashing: all of it gets overwritten. */
function newBuffer(size: number): Uint8Array {
  if (typeof Buffer === 'undefined') return new Uint8Array(size);
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size);
  return new Uint8Array(buffer, byteOffset, size);
}
