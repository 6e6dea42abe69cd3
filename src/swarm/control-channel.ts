import type { Stream } from '@libp2p/interface';
import type { ControlMessage } from './wire/control-message.ts';
import { decodeControl } from './wire/decode-control.ts';
import { encodeControl } from './wire/encode-control.ts';
import { FrameSplitter } from './wire/frame-splitter.ts';
import { MAX_CONTROL_FRAME_BYTES, MAX_GREETING_FRAME_BYTES } from './wire/limits.ts';
import { piecesOf, watchStream } from './watch-stream.ts';

/** A peer that lets this much pile up does not read its control stream: four of the largest frames. */
const MAX_BACKLOG_BYTES = 4 * MAX_CONTROL_FRAME_BYTES;

/** After all that came in with this turn of the event loop; browsers have only timers for it. */
export const atTurnEnd: (act: () => void) => void =
  typeof setImmediate === 'function' ? setImmediate : (act) => setTimeout(act, 0);

/** What a {@link ControlChannel} tells its link. */
export interface ControlChannelEvents {
  /** Something came, if only a part of a message. */
  onBytes(): void;
  onMessage(message: ControlMessage): void;
  /** What was sent before has left the buffers. */
  onDrain(): void;
  /** The stream ended, or what came could not be read; `error` says what, where something went wrong. */
  onEnd(error: unknown): void;
}

/** The control stream of a link. Messages of one turn go out in one write. */
export class ControlChannel {
  readonly #stream: Stream;
  readonly #events: ControlChannelEvents;
  readonly #splitter = new FrameSplitter(MAX_GREETING_FRAME_BYTES);
  readonly #unwatch: () => void;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #isOpen = true;

  constructor(stream: Stream, events: ControlChannelEvents) {
    this.#stream = stream;
    this.#events = events;
    this.#unwatch = watchStream(stream, {
      onBytes: (data) => {
        events.onBytes();
        this.#receive(data);
      },
      onDrain: () => events.onDrain(),
      onEnd: (error) => events.onEnd(error),
    });
  }

  /** Both sides have greeted: from now on long messages are taken, too. */
  greeted(): void {
    this.#splitter.maxBytes = MAX_CONTROL_FRAME_BYTES;
  }

  /** Bytes that wait for the socket, or for the turn to end. */
  get backlogBytes(): number {
    return this.#stream.writeBufferLength + this.#frameBytes;
  }

  send(message: ControlMessage): void {
    if (!this.#isOpen) return;
    const frame = encodeControl(message);
    this.#frameBytes += frame.byteLength;
    if (this.#frames.push(frame) === 1) atTurnEnd(() => this.flush());
  }

  /** Writes what waits for the turn to end. */
  flush(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.#frameBytes = 0;
    if (!this.#isOpen || frames.length === 0) return;
    // What this turn says is not counted: there was no time to read it, and the bitfields of large assets are many bytes.
    if (this.#stream.writeBufferLength > MAX_BACKLOG_BYTES) {
      return this.#events.onEnd(new Error('the peer does not read what it is sent'));
    }
    try {
      this.#stream.send(frames.length === 1 ? (frames[0] as Uint8Array) : concat(frames));
    } catch (error) {
      return this.#events.onEnd(error);
    }
    // It took all at once, and will not tell.
    if (!this.#stream.writableNeedsDrain) this.#events.onDrain();
  }

  /** Nothing more is read or written; what the socket took already still goes out. */
  end(error: Error): void {
    if (!this.#isOpen) return;
    this.flush();
    this.#isOpen = false;
    this.#unwatch();
    this.#stream.abort(error);
  }

  #receive(data: Parameters<typeof piecesOf>[0]): void {
    for (const piece of piecesOf(data)) {
      // A copy: messages keep parts of it.
      this.#splitter.push(new Uint8Array(piece), (frame) => {
        const message = decodeControl(frame);
        if (message) this.#events.onMessage(message);
        return this.#isOpen;
      });
      if (!this.#isOpen) return;
    }
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let pos = 0;
  for (const part of parts) {
    whole.set(part, pos);
    pos += part.byteLength;
  }
  return whole;
}
