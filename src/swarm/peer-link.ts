import type { Connection, Stream } from '@libp2p/interface';
import { ShoalError } from '../errors.ts';
import type { PeerKey } from './core/messages.ts';
import { ControlChannel } from './control-channel.ts';
import type { DataChannel, DataChannelEvents } from './data-channel.ts';
import { NamedRoots } from './named-roots.ts';
import { arrivalsOf } from './sign-of-life.ts';
import type { ControlMessage, HelloMessage } from './wire/control-message.ts';
import type { DataHeader } from './wire/data-codec.ts';
import { badFrame } from './wire/wire-error.ts';

/** The receiving end of a data stream; `stop`: the link has ended. */
type Inbox = Pick<DataChannelEvents, 'begin' | 'payload' | 'end'> & { stop(): void };

/** What a {@link PeerLink} tells its table. */
export interface PeerLinkEvents {
  onHello(link: PeerLink): void;
  onMessage(link: PeerLink, message: ControlMessage): void;
  /** Makes the receiving end of the data stream. */
  inbox(link: PeerLink): Inbox;
  onDrain(link: PeerLink): void;
  /** Once, for whatever reason; a {@link ShoalError} of fault `peer` names what the peer did. */
  onEnd(link: PeerLink, error: unknown): void;
}

/** One control and one data stream to a peer, for all assets; each is used both ways. */
export class PeerLink {
  readonly peer: PeerKey;
  readonly connection: Connection;
  /** Whether this node opened it. */
  readonly isOpener: boolean;
  /** The roots that the peer named on this link. */
  readonly named = new NamedRoots();
  /** Roots, by this node's slot, that the shell (not the core) named on this link to fetch nodes. */
  readonly asked = new Set<number>();
  readonly openedAtMs: number;
  /** When bytes last came in on either stream, or on the connection at all (see {@link PeerLink.listen}). */
  heardAtMs: number;
  /** When bytes of a chunk last came or went; at first, when it was opened. */
  movedAtMs: number;
  hello: HelloMessage | undefined;
  /** What the opener said before that. */
  readonly early: ControlMessage[] = [];
  /** The ping under way. */
  ping: { nonce: number; sentAtMs: number } | undefined;

  readonly #events: PeerLinkEvents;
  readonly #nowMs: () => number;
  readonly #control: ControlChannel;
  readonly #arrivals: () => number | undefined;
  readonly #arrivedBefore: number | undefined;
  #arrivedSeen: number | undefined;
  #data: DataChannel | undefined;
  #inbox: Inbox | undefined;
  #isEnded = false;
  #isFarewell = false;
  #isUp = false;
  /** This side has said HELLO: before that it says nothing. */
  #hasGreeted = false;
  #controlDrained: (() => void)[] = [];

  constructor(
    connection: Connection,
    control: Stream,
    isOpener: boolean,
    nowMs: () => number,
    events: PeerLinkEvents,
  ) {
    this.peer = connection.remotePeer.toString();
    this.connection = connection;
    this.isOpener = isOpener;
    this.openedAtMs = nowMs();
    this.heardAtMs = this.openedAtMs;
    this.movedAtMs = this.openedAtMs;
    this.#nowMs = nowMs;
    this.#events = events;
    this.#arrivals = () => arrivalsOf(control);
    this.#arrivedBefore = this.#arrivals();
    this.#arrivedSeen = this.#arrivedBefore;
    this.#control = new ControlChannel(control, {
      // A node of a mebibyte takes a slow uplink longer than a link may be silent.
      onBytes: () => void (this.heardAtMs = nowMs()),
      onMessage: (message) => this.#receive(message),
      onDrain: () => this.#releaseDrained(),
      onEnd: (error) => this.end(error ?? new Error('the peer closed the link')),
    });
  }

  /** HELLO went both ways, and the table has taken it: from now on everything may be said on it. */
  up(): void {
    this.#isUp = true;
    this.#control.greeted();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether nothing at all has come on its connection since it was opened; false where that is not known. */
  get isUnheard(): boolean {
    return this.#arrivedBefore !== undefined && this.#arrivals() === this.#arrivedBefore;
  }

  /**
   * Takes what came on the connection since the last call for a sign of life: on a slow path many seconds pass before a record
   * of TLS, and so a part of what the peer says, is whole.
   *
   * @param sinceMs a time since which that came
   */
  listen(sinceMs: number): void {
    const arrived = this.#arrivals();
    if (arrived === this.#arrivedSeen) return;
    this.#arrivedSeen = arrived;
    this.heardAtMs = Math.max(this.heardAtMs, sinceMs);
  }

  /** Whether it was ended on purpose, by either side. */
  get isFarewell(): boolean {
    return this.#isFarewell;
  }

  /** The opener's number of this link; known once HELLO came, or from the start where this node is the opener. */
  get number(): number | undefined {
    return this.hello?.link;
  }

  /** Takes the data stream that belongs to this link. */
  attach(data: DataChannel, nowMs: () => number): void {
    const inbox = this.#events.inbox(this);
    this.#inbox = inbox;
    this.#data = data;
    data.hand({
      attach: () => {
        throw badFrame('a second ATTACH');
      },
      begin: (header) => inbox.begin(header),
      payload: (bytes) => {
        this.heardAtMs = nowMs();
        this.movedAtMs = this.heardAtMs;
        inbox.payload(bytes);
      },
      end: () => inbox.end(),
      onDrain: () => this.#events.onDrain(this),
      onEnd: (error) => this.end(error ?? new Error('the peer closed the data stream')),
    });
  }

  send(message: ControlMessage): void {
    this.#hasGreeted ||= message.type === 'hello';
    this.#control.send(message);
  }

  /**
   * Sends a part of a chunk, in as many frames as the peer's HELLO asks for.
   *
   * @returns false where the stream is full (wait for `onDrain`), or has ended
   */
  sendData(header: DataHeader, payload: Uint8Array): boolean {
    if (this.#isEnded || !this.#data) return false;
    this.movedAtMs = this.#nowMs();
    try {
      let hasRoom = true;
      for (const [offset, piece] of framesOf(payload, this.hello?.limits.chunkBytes)) {
        const { slot, chunk } = header;
        hasRoom = this.#data.send(
          { slot, chunk, offset: header.offset + offset, length: piece.byteLength },
          piece,
        );
      }
      return hasRoom;
    } catch (error) {
      this.end(error);
      return false;
    }
  }

  /** Resolves when the control stream's backlog is below `bytes`, or the link has ended. */
  async controlBelow(bytes: number): Promise<void> {
    while (!this.#isEnded && this.#control.backlogBytes > bytes) {
      await new Promise<void>((resolve) => this.#controlDrained.push(resolve));
    }
  }

  /** The peer ends the link on purpose. */
  endBy(reason: string): void {
    this.#isFarewell = true;
    this.end(new Error(`the peer said goodbye: ${reason}`));
  }

  /** Ends the link. With a `farewell` the peer is told why before, where it was greeted. */
  end(error: unknown, farewell?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isFarewell ||= farewell !== undefined;
    if (farewell !== undefined && this.#hasGreeted) this.#control.send({ type: 'bye', reason: farewell });
    const reason = error instanceof Error ? error : new Error(farewell ?? 'the link ended');
    this.#control.end(reason);
    this.#data?.end(reason);
    this.#inbox?.stop();
    this.#releaseDrained();
    this.#events.onEnd(this, error);
  }

  #receive(message: ControlMessage): void {
    if (message.type === 'bye' && !this.isUp) {
      // Whoever stops in the middle of greeting does no wrong.
      this.endBy(message.reason);
    } else if (message.type === 'hello') {
      if (this.hello) throw badFrame('a second HELLO');
      this.hello = message;
      this.#events.onHello(this);
    } else if (!this.hello) {
      throw badFrame(`${message.type.toUpperCase()} before HELLO`);
    } else {
      this.#events.onMessage(this, message);
    }
  }

  #releaseDrained(): void {
    const waiting = this.#controlDrained;
    this.#controlDrained = [];
    for (const resolve of waiting) resolve();
  }
}

/** No peer gets frames shorter than this: headers would be most of them. */
const MIN_FRAME_BYTES = 1024;

/**
 * Cuts a payload into frames no longer than a peer takes; one frame where it said nothing of it. A payload of nothing is
 * one frame too: the chunk of an empty leaf.
 */
export function* framesOf(payload: Uint8Array, maxBytes = 0): Iterable<[offset: number, piece: Uint8Array]> {
  const step = maxBytes > 0 ? Math.max(maxBytes, MIN_FRAME_BYTES) : Infinity;
  if (payload.byteLength <= step) return yield [0, payload];
  for (let at = 0; at < payload.byteLength; at += step) yield [at, payload.subarray(at, at + step)];
}

/** Whether an error blames the peer at the other end. */
export function isPeerFault(error: unknown): error is ShoalError {
  return error instanceof ShoalError && error.fault === 'peer';
}
