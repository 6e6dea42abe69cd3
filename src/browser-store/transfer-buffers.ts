/** Memory kept for what is to be sent: as much as may wait to be written (`MAX_INBOUND_BYTES` of a page). */
const MAX_KEPT_BYTES = 16 << 20;

/**
 * Memory that goes to a worker and comes back. What is posted is else copied into fresh memory, which takes several times
 * as long as copying into memory that was used before, and leaves garbage in both.
 */
export class TransferBuffers {
  #kept: ArrayBuffer[] = [];
  #keptBytes = 0;

  /** A copy of the bytes, to be transferred. */
  copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(this.#take(bytes.byteLength), 0, bytes.byteLength);
    copy.set(bytes);
    return copy;
  }

  /** What was transferred has come back. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof ArrayBuffer) || this.#keptBytes + buffer.byteLength > MAX_KEPT_BYTES) return;
    this.#keptBytes += buffer.byteLength;
    this.#kept.push(buffer);
  }

  #take(size: number): ArrayBuffer {
    // Chunks of an asset are all of one size but for the last ones of files.
    const at = this.#kept.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 2 * size);
    const [kept] = at < 0 ? [] : this.#kept.splice(at, 1);
    if (!kept) return new ArrayBuffer(size);
    this.#keptBytes -= kept.byteLength;
    return kept;
  }
}
