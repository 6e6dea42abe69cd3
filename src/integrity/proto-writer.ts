const textEncoder = new TextEncoder();

/** Writes protobuf wire format. Fields at their default (0, false, nothing) are left out, as proto3 does. */
export class ProtoWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param room bytes to begin with; grows as needed */
  constructor(room = 64) {
    this.#bytes = new Uint8Array(room);
  }

  /** An unsigned integer below 2⁵³. */
  uint(field: number, value: number): this {
    return value === 0 ? this : this.required(field, value);
  }

  /** The same, written also where it is 0: as proto2 has it, and UnixFS. */
  required(field: number, value: number): this {
    return this.varint(field * 8).varint(value);
  }

  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  /** Written even where empty, so that it can stand in a repeated field. */
  bytes(field: number, value: Uint8Array): this {
    this.varint(field * 8 + 2).varint(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, textEncoder.encode(value));
  }

  /** A bare varint: for packed fields and length prefixes. */
  varint(value: number): this {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** What was written: a view, valid until more is written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, with its length before it, on its own. */
  frame(): Uint8Array {
    const length = new ProtoWriter(10).varint(this.#length).finish();
    const frame = new Uint8Array(length.byteLength + this.#length);
    frame.set(length);
    frame.set(this.finish(), length.byteLength);
    return frame;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
