import type { Uint8ArrayList } from 'uint8arraylist';
import { countArrivals } from '../../src/swarm/sign-of-life.ts';
import type { Actor, VirtualTime } from './virtual-time.ts';

/** What a {@link ModelStream} goes over. */
export interface Carrier {
  readonly terms: {
    readonly time: VirtualTime;
    readonly rng: () => number;
    readonly windowBytes: number;
    readonly pieceBytes: number;
  };
  readonly host: { readonly actor: Actor };
  readonly arrivals: number;
  /** Bytes wait on the stream. */
  wrote(): void;
  /** Tells the other end that the stream is over. */
  reset(stream: ModelStream): void;
  forget(stream: ModelStream): void;
}

/** One end of a stream, as the shell uses those of libp2p. */
export class ModelStream extends EventTarget {
  readonly id: string;
  readonly number: number;
  readonly protocol: string;
  readonly direction: 'inbound' | 'outbound';
  readonly readStatus = 'readable';
  readonly readBufferLength = 0;
  status: 'open' | 'aborted' | 'reset' = 'open';
  /** What may be sent before the other end has taken more. */
  windowBytes: number;
  writableNeedsDrain = false;
  writeBufferLength = 0;
  readonly #carrier: Carrier;
  readonly #taken = Promise.withResolvers<void>();
  #pending: Uint8Array[] = [];

  constructor(carrier: Carrier, number: number, protocol: string, direction: 'inbound' | 'outbound') {
    super();
    this.#carrier = carrier;
    this.number = number;
    this.id = `${direction} ${number}`;
    this.protocol = protocol;
    this.direction = direction;
    this.windowBytes = carrier.terms.windowBytes;
    this.#taken.promise.catch(() => {});
    countArrivals(this as unknown as Parameters<typeof countArrivals>[0], () => carrier.arrivals);
  }

  /** @returns false where not all of it went out at once: `drain` tells when it has */
  send(data: Uint8Array | Uint8ArrayList): boolean {
    if (this.status !== 'open') throw new Error(`cannot write to a stream that is ${this.status}`);
    const bytes = data instanceof Uint8Array ? data.slice() : data.slice();
    this.#pending.push(bytes);
    this.writeBufferLength += bytes.byteLength;
    this.#carrier.wrote();
    this.writableNeedsDrain = this.writeBufferLength > 0;
    return !this.writableNeedsDrain;
  }

  abort(error: Error): void {
    if (this.status !== 'open') return;
    this.#carrier.reset(this);
    this.#finish('aborted', error);
  }

  /** For its connection: the other end, or the connection, ended it. */
  end(error: Error): void {
    this.#finish('reset', error);
  }

  /** When the other end has it. @throws the abort reason, or why it ended */
  async taken(signal?: AbortSignal): Promise<void> {
    const onAbort = (): void => {
      this.#taken.reject(signal?.reason);
      this.abort(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort);
    await this.#taken.promise.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  wasTaken(): void {
    this.#taken.resolve();
  }

  get canSend(): boolean {
    return this.writeBufferLength > 0 && this.windowBytes > 0;
  }

  /** The next bytes for the socket. */
  take(maxBytes: number): Uint8Array {
    const first = this.#pending[0] as Uint8Array;
    const bytes = first.subarray(0, Math.min(maxBytes, this.windowBytes));
    if (bytes.byteLength < first.byteLength) this.#pending[0] = first.subarray(bytes.byteLength);
    else this.#pending.shift();
    this.windowBytes -= bytes.byteLength;
    this.writeBufferLength -= bytes.byteLength;
    if (this.writeBufferLength === 0 && this.writableNeedsDrain) this.#drainSoon();
    return bytes;
  }

  /** Bytes came: they are given on in pieces, of memory that is another's as soon as the listener returns. */
  receive(bytes: Uint8Array): void {
    const { pieceBytes, rng } = this.#carrier.terms;
    for (let at = 0; at < bytes.byteLength && this.status === 'open';) {
      const size = pieceBytes === Infinity ? bytes.byteLength : 1 + Math.floor(rng() * pieceBytes);
      const data = bytes.slice(at, at + size);
      at += data.byteLength;
      this.dispatchEvent(Object.assign(new Event('message'), { data }));
      data.fill(0xee);
    }
  }

  #drainSoon(): void {
    const { terms, host } = this.#carrier;
    terms.time.after(0, host.actor, () => {
      if (this.writeBufferLength > 0 || !this.writableNeedsDrain || this.status !== 'open') return;
      this.writableNeedsDrain = false;
      this.dispatchEvent(new Event('drain'));
    });
  }

  #finish(status: 'aborted' | 'reset', error: Error): void {
    if (this.status !== 'open') return;
    this.status = status;
    this.#pending = [];
    this.writeBufferLength = 0;
    this.#carrier.forget(this);
    this.#taken.reject(error);
    this.dispatchEvent(Object.assign(new Event('close'), { error, local: status === 'aborted' }));
  }
}
