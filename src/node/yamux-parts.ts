import type { Uint8ArrayList } from 'uint8arraylist';
import type { MuxerAllowance } from './muxer-allowance.ts';

/** What this needs of a stream of `@chainsafe/libp2p-yamux`; all of it is public there. */
interface FramedStream {
  readonly streamId: number;
  handleData(frame: { header: FrameHeader; data: Uint8Array }): void;
}

interface FrameHeader {
  type: number;
  flag: number;
  streamID: number;
  length: number;
}

/** What this needs of the muxer; all of it is public there. */
export interface FramedMuxer {
  readonly streams: readonly FramedStream[];
  onData(data: Uint8Array | Uint8ArrayList): void;
}

const HEADER_BYTES = 12;

/** Source of the header's form: https://github.com/hashicorp/yamux/blob/master/spec.md */
const DATA = 0;
const PING = 2;
const VERSION = 0;

/** Opens a stream; of a ping: it wants an answer. */
const SYN = 1;

/** Flags that end a stream, in one direction or in both: told of when the body is through. */
const FIN_AND_RST = 4 | 8;

/**
 * Hands the body of a frame on as it arrives, in parts. `@chainsafe/libp2p-yamux` keeps it until the frame is whole: up to a
 * window of it, for each stream, out of the processor's caches by the time it is read, and with nobody who sees that
 * something is coming.
 *
 * A frame without a body, and the header of one with a body (as a frame of no length that has its flags), go the muxer's
 * own way, which decides what streams there are and what is an error.
 */
export class YamuxParts {
  readonly #muxer: FramedMuxer;
  readonly #pass: (data: Uint8Array) => void;
  readonly #allowance: Pick<MuxerAllowance, 'take'> | undefined;
  /** The header under way. */
  readonly #head = new Uint8Array(HEADER_BYTES);
  #headBytes = 0;
  /** Whose body is under way, and what is still to come of it. Undefined where there is no such stream: it is dropped. */
  #stream: FramedStream | undefined;
  #left = 0;
  /** What the muxer is told when the body is through. */
  #ending: Uint8Array | undefined;

  /** @param allowance of what is answered, however little it is; default: as much as comes */
  constructor(muxer: FramedMuxer, allowance?: Pick<MuxerAllowance, 'take'>) {
    this.#muxer = muxer;
    this.#allowance = allowance;
    this.#pass = muxer.onData.bind(muxer);
  }

  /** Takes what the connection brought. @throws what the muxer throws at a bad frame, and the allowance at too many */
  push(data: Uint8Array | Uint8ArrayList): void {
    if (data instanceof Uint8Array) this.#push(data);
    else for (const piece of data) this.#push(piece);
  }

  #push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#left > 0) {
        const end = Math.min(bytes.byteLength, at + this.#left);
        this.#take(at === 0 && end === bytes.byteLength ? bytes : bytes.subarray(at, end));
        at = end;
      } else {
        this.#head[this.#headBytes++] = bytes[at++] as number;
        if (this.#headBytes === HEADER_BYTES) this.#begin();
      }
    }
  }

  #begin(): void {
    this.#headBytes = 0;
    const head = this.#head.slice();
    const view = new DataView(head.buffer);
    const length = view.getUint32(8);
    if ((view.getUint16(2) & SYN) !== 0) this.#allowance?.take(view.getUint8(1) === PING ? 'ping' : 'open');
    if (view.getUint8(0) !== VERSION || view.getUint8(1) !== DATA || length === 0) return this.#pass(head);
    const flags = view.getUint16(2);
    view.setUint32(8, 0);
    view.setUint16(2, flags & FIN_AND_RST);
    this.#ending = (flags & FIN_AND_RST) === 0 ? undefined : head.slice();
    view.setUint16(2, flags & ~FIN_AND_RST);
    this.#pass(head);
    this.#left = length;
    const id = view.getUint32(4);
    this.#stream = this.#muxer.streams.find(({ streamId }) => streamId === id);
  }

  #take(data: Uint8Array): void {
    this.#left -= data.byteLength;
    const stream = this.#stream;
    // It may have ended meanwhile.
    if (stream && this.#muxer.streams.includes(stream)) {
      const header = { type: DATA, flag: 0, streamID: stream.streamId, length: data.byteLength };
      stream.handleData({ header, data });
    }
    if (this.#left > 0) return;
    this.#stream = undefined;
    if (this.#ending) this.#pass(this.#ending);
  }
}
