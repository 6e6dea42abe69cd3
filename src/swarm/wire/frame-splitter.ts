import { badFrame } from './wire-error.ts';

/** A length prefix takes at most this many bytes: varints below 2³⁵. */
const MAX_PREFIX_BYTES = 5;

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Cuts a stream of bytes into frames, each preceded by its length as a varint. Takes no memory for bytes that
 * have not arrived, whatever length was announced.
 */
export class FrameSplitter {
  /** The longest frame. What is set goes for those that begin from then on. */
  maxBytes: number;
  /** Length of the frame under way, once its prefix is whole. */
  #length: number | undefined;
  #prefix = 0;
  #prefixBytes = 0;
  /** What has come of it, while it is not whole. */
  #buffer = NOTHING;
  #gathered = 0;

  /** @param maxBytes the longest frame */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes.
   *
   * @param onFrame gets each frame that is whole: a view of `bytes` where it lies in them entirely. Returning
   * `false` ends this push: what follows in `bytes` is dropped
   * @throws ERR_PEER_BAD_FRAME; the splitter is of no use then
   */
  push(bytes: Uint8Array, onFrame: (frame: Uint8Array) => void | boolean): void {
    let pos = 0;
    while (pos < bytes.byteLength || this.#length === 0) {
      if (this.#length === undefined) {
        this.#readPrefix(bytes[pos++] as number);
        continue;
      }
      const take = Math.min(this.#length - this.#gathered, bytes.byteLength - pos);
      const frame = this.#gather(bytes.subarray(pos, pos + take), this.#length);
      pos += take;
      if (frame && onFrame(frame) === false) return;
    }
  }

  #readPrefix(byte: number): void {
    this.#prefix += (byte & 0x7f) * 128 ** this.#prefixBytes++;
    if (byte >= 0x80) {
      if (this.#prefixBytes >= MAX_PREFIX_BYTES) throw badFrame('a frame with an endless length');
      return;
    }
    if (this.#prefix > this.maxBytes) {
      throw badFrame(`a frame of ${this.#prefix} bytes where at most ${this.maxBytes} are allowed`);
    }
    this.#length = this.#prefix;
    this.#prefix = 0;
    this.#prefixBytes = 0;
  }

  /** @returns the frame, once it is whole */
  #gather(piece: Uint8Array, length: number): Uint8Array | undefined {
    if (piece.byteLength === length) return this.#finish(piece);
    const gathered = this.#gathered + piece.byteLength;
    if (gathered > this.#buffer.byteLength) {
      // Doubles with what really arrived: an announced length alone takes no memory.
      const grown = new Uint8Array(Math.min(length, Math.max(256, gathered * 2)));
      grown.set(this.#buffer.subarray(0, this.#gathered));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#gathered);
    this.#gathered = gathered;
    return gathered === length ? this.#finish(this.#buffer.subarray(0, length)) : undefined;
  }

  #finish(frame: Uint8Array): Uint8Array {
    this.#buffer = NOTHING;
    this.#gathered = 0;
    this.#length = undefined;
    return frame;
  }
}
