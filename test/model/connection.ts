import type { PeerId, StreamHandler } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Rng } from '../../src/swarm/core/rng.ts';
import { ModelStream, type Carrier } from './stream.ts';
import type { Actor, VirtualTime } from './virtual-time.ts';

/** What all connections of a world have in common. */
export interface Terms {
  readonly time: VirtualTime;
  readonly rng: Rng;
  jitterMs: number;
  /** Of each stream, as yamux's: what a sender may send before the receiver has taken it. */
  windowBytes: number;
  /** What a socket takes before it says that it is full. */
  socketBytes: number;
  /** A stream is there before the other end has taken it. */
  isEager: boolean;
  /** What arrives comes in pieces up to this. */
  pieceBytes: number;
}

/** A node as its connections see it. */
export interface Host {
  readonly actor: Actor;
  readonly peerId: PeerId;
  readonly address: Multiaddr;
  readonly handlers: Map<string, StreamHandler>;
  readonly connections: Set<ModelConnection>;
  /** Of its uplink, which all connections share. */
  readonly bytesPerMs: number;
  /** Until when what it has sent keeps the uplink busy. */
  busyUntilMs: number;
  /** Of its downlink, before which what all connections bring waits in the order in which it comes. */
  readonly downBytesPerMs: number;
  /** Until when that is busy. */
  downBusyUntilMs: number;
  messagesSent: number;
  readonly libp2p: EventTarget;
}

/** What goes over a connection. */
type Frame =
  | { kind: 'open'; stream: number; protocol: string }
  | { kind: 'ack' | 'reset' | 'unsupported'; stream: number }
  | { kind: 'window'; stream: number; bytes: number }
  | { kind: 'data'; stream: number; bytes: Uint8Array }
  | { kind: 'end' };

/** As libp2p's own limit of streams of a protocol. */
const MAX_STREAMS = 32;

const FRAME_BYTES = 12;
const MAX_DATA_FRAME_BYTES = 16 << 10;

/** What two nodes share of a connection. */
export interface Wire {
  readonly latencyMs: number;
  /** Nothing arrives any more, and nobody is told. */
  isDead: boolean;
}

/** One end of a connection: frames in order, one after another over the node's uplink, streams in random turn. */
export class ModelConnection implements Carrier {
  readonly id: string;
  readonly host: Host;
  readonly remote: Host;
  readonly direction: 'inbound' | 'outbound';
  readonly wire: Wire;
  readonly terms: Terms;
  readonly remotePeer: PeerId;
  readonly remoteAddr: Multiaddr;
  readonly limits = undefined;
  readonly timeline: { open: number };
  readonly byNumber = new Map<number, ModelStream>();
  status: 'open' | 'closed' = 'open';
  /** How often something came in. */
  arrivals = 0;
  #other: ModelConnection | undefined;
  #nextStream: number;
  #control: Frame[] = [];
  #inSocketBytes = 0;
  #lastArrivalMs = 0;
  #isPumping = false;

  constructor(terms: Terms, wire: Wire, id: string, ends: [Host, Host], direction: 'inbound' | 'outbound') {
    [this.host, this.remote] = ends;
    this.terms = terms;
    this.wire = wire;
    this.id = id;
    this.direction = direction;
    this.remotePeer = this.remote.peerId;
    this.remoteAddr = this.remote.address;
    this.timeline = { open: Date.now() };
    this.#nextStream = direction === 'outbound' ? 1 : 2;
  }

  /** Both ends of a new connection, the opener's first. */
  static pair(
    terms: Terms,
    wire: Wire,
    id: string,
    from: Host,
    to: Host,
  ): [ModelConnection, ModelConnection] {
    const opener = new ModelConnection(terms, wire, id, [from, to], 'outbound');
    const taker = new ModelConnection(terms, wire, id, [to, from], 'inbound');
    opener.#other = taker;
    taker.#other = opener;
    return [opener, taker];
  }

  get streams(): ModelStream[] {
    return [...this.byNumber.values()];
  }

  async newStream(protocol: string, { signal }: { signal?: AbortSignal } = {}): Promise<ModelStream> {
    signal?.throwIfAborted();
    if (this.status !== 'open') throw new Error(`the connection is ${this.status}`);
    if (this.#count(protocol, 'outbound') >= MAX_STREAMS) throw new Error('too many streams');
    const stream = new ModelStream(this, this.#nextStream, protocol, 'outbound');
    this.#nextStream += 2;
    this.byNumber.set(stream.number, stream);
    this.#sendControl({ kind: 'open', stream: stream.number, protocol });
    if (!this.terms.isEager) await stream.taken(signal);
    return stream;
  }

  /** The peer is told, where the wire is not dead. */
  abort(error: Error): void {
    if (this.status !== 'open') return;
    this.#control = [];
    this.#end(error);
    this.#deliver(
      { kind: 'end' },
      Math.max(this.#lastArrivalMs, this.#nowMs + this.wire.latencyMs),
      FRAME_BYTES,
    );
  }

  /**
   * Nothing arrives any more, and nobody is told. Where streams wait for the other end it is told: what libp2p's connection
   * monitor would do, which is not modelled, is what ends such a connection then.
   */
  lose(): void {
    if (this.terms.isEager) this.wire.isDead = true;
    else this.terms.time.as(this.host.actor, () => this.abort(new Error('lost')));
  }

  async close(): Promise<void> {
    this.abort(new Error('closed'));
  }

  /** For its streams: what was sent before still goes out. */
  forget(stream: ModelStream): void {
    this.byNumber.delete(stream.number);
  }

  /** For its streams. */
  reset(stream: ModelStream): void {
    this.#sendControl({ kind: 'reset', stream: stream.number });
  }

  wrote(): void {
    this.host.messagesSent++;
    this.pump();
  }

  #sendControl(frame: Frame): void {
    if (this.status !== 'open') return;
    this.#control.push(frame);
    this.pump();
  }

  /** Sends what waits and has room. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    for (let frame = this.#nextFrame(); frame; frame = this.#nextFrame()) this.#transmit(frame);
    this.#isPumping = false;
  }

  get #nowMs(): number {
    return this.terms.time.nowMs;
  }

  #count(protocol: string, direction: 'inbound' | 'outbound'): number {
    return this.streams.filter((each) => each.protocol === protocol && each.direction === direction).length;
  }

  /** A stream is opened before its bytes, and ended after them. */
  #nextFrame(): Frame | undefined {
    const first = this.#control[0];
    if (first?.kind === 'open' || first?.kind === 'ack') return this.#control.shift();
    return this.#nextData() ?? this.#control.shift();
  }

  #nextData(): Frame | undefined {
    if (this.#inSocketBytes >= this.terms.socketBytes) return undefined;
    const ready = this.streams.filter((each) => each.canSend);
    const stream = ready[Math.floor(this.terms.rng() * ready.length)];
    return stream && { kind: 'data', stream: stream.number, bytes: stream.take(MAX_DATA_FRAME_BYTES) };
  }

  #transmit(frame: Frame): void {
    const { host, wire, terms } = this;
    const bytes = FRAME_BYTES + (frame.kind === 'data' ? frame.bytes.byteLength : 0);
    this.#inSocketBytes += bytes;
    host.busyUntilMs = Math.max(this.#nowMs, host.busyUntilMs) + bytes / host.bytesPerMs;
    const sentMs = host.busyUntilMs;
    const arrivalMs = Math.max(this.#lastArrivalMs, sentMs + wire.latencyMs + terms.rng() * terms.jitterMs);
    this.#lastArrivalMs = arrivalMs;
    terms.time.after(sentMs - this.#nowMs, undefined, () => {
      this.#inSocketBytes -= bytes;
      terms.time.as(host.actor, () => this.pump());
    });
    this.#deliver(frame, arrivalMs, bytes);
  }

  #deliver(frame: Frame, arrivalMs: number, bytes: number): void {
    const { terms, remote } = this;
    const receive = (): void => {
      if (!this.wire.isDead) this.#other?.receive(frame);
    };
    terms.time.after(arrivalMs - this.#nowMs, remote.actor, () => {
      if (remote.downBytesPerMs === Infinity) return receive();
      remote.downBusyUntilMs = Math.max(this.#nowMs, remote.downBusyUntilMs) + bytes / remote.downBytesPerMs;
      terms.time.after(remote.downBusyUntilMs - this.#nowMs, remote.actor, receive);
    });
  }

  /** For the other end. */
  receive(frame: Frame): void {
    this.arrivals++;
    if (this.status !== 'open') return;
    if (frame.kind === 'end') return this.#end(new Error('connection reset by peer'));
    if (frame.kind === 'open') return this.#take(frame.stream, frame.protocol);
    const stream = this.byNumber.get(frame.stream);
    if (!stream) return;
    if (frame.kind === 'data') {
      stream.receive(frame.bytes);
      this.#sendControl({ kind: 'window', stream: frame.stream, bytes: frame.bytes.byteLength });
    } else if (frame.kind === 'window') {
      stream.windowBytes += frame.bytes;
      this.pump();
    } else if (frame.kind === 'ack') {
      stream.wasTaken();
    } else {
      const name = frame.kind === 'reset' ? 'StreamResetError' : 'UnsupportedProtocolError';
      stream.end(Object.assign(new Error('the stream was reset'), { name }));
    }
  }

  #take(number: number, protocol: string): void {
    const handler = this.host.handlers.get(protocol);
    if (!handler) return this.#sendControl({ kind: 'unsupported', stream: number });
    if (this.#count(protocol, 'inbound') >= MAX_STREAMS)
      return this.#sendControl({ kind: 'reset', stream: number });
    const stream = new ModelStream(this, number, protocol, 'inbound');
    this.byNumber.set(number, stream);
    this.#sendControl({ kind: 'ack', stream: number });
    const [asStream, asConnection] = [stream, this] as unknown as Parameters<StreamHandler>;
    void handler(asStream, asConnection);
  }

  #end(error: Error): void {
    this.status = 'closed';
    this.host.connections.delete(this);
    for (const stream of this.streams) stream.end(error);
    this.host.libp2p.dispatchEvent(new CustomEvent('connection:close', { detail: this }));
  }
}
