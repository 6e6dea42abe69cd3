/** Reads protobuf wire format strictly: what is cut off, too long or beyond 2⁵³ throws a RangeError. */
export class ProtoReader {
  readonly #bytes: Uint8Array;
  #pos = 0;

  /** @param bytes read in place, never copied */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#pos >= this.#bytes.byteLength;
  }

  /** The next field's number and wire type. */
  tag(): { field: number; wire: number } {
    const tag = this.varint();
    return { field: Math.floor(tag / 8), wire: tag % 8 };
  }

  /** An unsigned integer up to 2⁵³ − 1. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#pos++];
      if (byte === undefined) throw new RangeError('a field is cut off');
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number is beyond 2^53');
      if (byte < 0x80) return value;
      if (scale > 2 ** 63) throw new RangeError('a number is longer than ten bytes');
    }
  }

  /** A length-delimited field, as a view of the input. */
  bytes(): Uint8Array {
    const length = this.varint();
    if (length > this.#bytes.byteLength - this.#pos) throw new RangeError('a field is cut off');
    this.#pos += length;
    return this.#bytes.subarray(this.#pos - length, this.#pos);
  }

  /** Steps over a field of no interest. */
  skip(wire: number): void {
    if (wire === 2) this.bytes();
    else if (wire === 1 || wire === 5) this.#step(wire === 1 ? 8 : 4);
    else if (wire === 0) this.#skipVarint();
    else throw new RangeError(`wire type ${wire} is not used here`);
  }

  /** Unlike {@link varint} takes all 64 bits: a negative modification time has them. */
  #skipVarint(): void {
    for (let length = 0; length < 10; length++) {
      const byte = this.#bytes[this.#pos++];
      if (byte === undefined) throw new RangeError('a field is cut off');
      if (byte < 0x80) return;
    }
    throw new RangeError('a number is longer than ten bytes');
  }

  #step(count: number): void {
    if (count > this.#bytes.byteLength - this.#pos) throw new RangeError('a field is cut off');
    this.#pos += count;
  }
}
