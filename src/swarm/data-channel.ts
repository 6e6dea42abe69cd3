import type { Stream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { piecesOf, watchStream } from './watch-stream.ts';
import {
  DataDecoder,
  encodeAttach,
  encodeDataHeader,
  type DataHeader,
  type DataSink,
} from './wire/data-codec.ts';

/** What a {@link DataChannel} tells. */
export interface DataChannelEvents extends DataSink {
  onDrain(): void;
  onEnd(error: unknown): void;
}

/**
 * A stream calls itself full at the first byte it cannot pass on, and drained only when it is empty: to wait for that
 * each time leaves the socket idle in between. What is queued is bounded by the look-ahead anyway; this bounds it for
 * memory, at two of the largest chunks.
 */
const FULL_BYTES = 2 << 20;

/** The data stream of a link. Never paused: only chunks that were asked for are given memory. */
export class DataChannel {
  readonly #stream: Stream;
  readonly #decoder: DataDecoder;
  readonly #unwatch: () => void;
  #events: DataChannelEvents;
  #isOpen = true;

  constructor(stream: Stream, events: DataChannelEvents) {
    this.#stream = stream;
    this.#events = events;
    this.#decoder = new DataDecoder({
      attach: (link) => this.#events.attach(link),
      begin: (header) => this.#events.begin(header),
      payload: (bytes) => this.#events.payload(bytes),
      end: () => this.#events.end(),
    });
    this.#unwatch = watchStream(stream, {
      onBytes: (data) => {
        for (const piece of piecesOf(data)) {
          if (!this.#isOpen) return;
          this.#decoder.push(piece);
        }
      },
      onDrain: () => this.#events.onDrain(),
      onEnd: (error) => this.#events.onEnd(error),
    });
  }

  /** From now on tells `events`: the link that this stream was attached to. */
  hand(events: DataChannelEvents): void {
    this.#events = events;
  }

  /** Names the link; the opener's first frame. */
  attach(link: number): void {
    this.#stream.send(encodeAttach(link));
  }

  /** @returns false where the stream is full: send no more before `onDrain` */
  send(header: DataHeader, payload: Uint8Array): boolean {
    if (!this.#isOpen) return false;
    // In one: a frame of the muxer, and a record of TLS, for the header alone cost as much as those of the payload.
    const hasRoom = this.#stream.send(new Uint8ArrayList(encodeDataHeader(header), payload));
    return hasRoom || this.#stream.writeBufferLength < FULL_BYTES;
  }

  end(error: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#unwatch();
    this.#stream.abort(error);
  }
}
