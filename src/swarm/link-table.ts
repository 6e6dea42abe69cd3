import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { ShoalError } from '../errors.ts';
import { atTurnEnd } from './control-channel.ts';
import { Beginners } from './beginners.ts';
import type { PeerKey } from './core/messages.ts';
import { isDirect } from './direct-connection.ts';
import { DataChannel } from './data-channel.ts';
import type { Log } from './log.ts';
import { FORGET_NODES } from './node-answers.ts';
import { PACKED_NODES } from './packed-node.ts';
import { isPeerFault, PeerLink, type PeerLinkEvents } from './peer-link.ts';
import type { ControlMessage, HelloMessage } from './wire/control-message.ts';
import { MAX_CONTROL_FRAME_BYTES, MAX_PAYLOAD_BYTES, WIRE_VERSION } from './wire/limits.ts';
import { badFrame } from './wire/wire-error.ts';

/** Both streams and both HELLOs must have come through by then; a path that takes longer is of no use. */
const GREETING_MS = 10_000;

/** Streams of one peer that wait for their other half or for HELLO. One link has two; a restart overlaps another. */
const MAX_GREETING_PER_PEER = 8;

/**
 * What the opener names and asks for right behind its HELLO waits until the data stream is there too: so many messages.
 * Only JOINs with a small bitfield or none and NODES may come, so that it is some kilobytes at most.
 */
export const MAX_EARLY_MESSAGES = 16;

/** The largest bitfield that a JOIN may carry then: of 8,192 chunks, 512 MiB to 8 GiB. */
export const MAX_EARLY_HAVE_BYTES = 1024;

/** Streams on one connection: a link, its replacement, and links of peers that open many to try us. */
const MAX_STREAMS = 32;

/** An inbound connection is the other side's to open a link on; after so long this side may. */
const OTHER_SIDE_OPENS_MS = 2000;

/** A link that failed is opened again on the same connection after this. */
const REOPEN_MS = 30_000;

/** One that either side ended on purpose, after this, unless somebody dials the peer. */
const RESTED_MS = 600_000;

/** What a {@link LinkTable} is made from. */
export interface LinkTableOptions {
  libp2p: Libp2p;
  network: string;
  /** Random bytes of this run, see `HelloMessage.instance`. */
  instance: Uint8Array;
  nowMs: () => number;
  log: Log;
  isBanned: (peer: PeerKey) => boolean;
  events: LinkTableEvents;
}

/** What a {@link LinkTable} tells. Messages come only for links that are up. */
export interface LinkTableEvents extends Pick<PeerLinkEvents, 'onMessage' | 'inbox' | 'onDrain'> {
  /**
   * This side has opened the link and greeted: JOINs with a small bitfield or none and NODES may follow. `onUp` comes next, or
   * `onLost` where the link ends before.
   */
  onGreeted(link: PeerLink): void;
  onLost(link: PeerLink): void;
  onUp(link: PeerLink): void;
  /** The peer opened another link, which is not taken as this one is up: it may be that this one leads nowhere any more. */
  onRival(link: PeerLink): void;
  /** A link that was up ended. */
  onDown(link: PeerLink): void;
  /** The peer broke the protocol. */
  onBroken(peer: PeerKey, error: ShoalError): void;
}

/** The control protocol of a network. */
export function controlProtocol(network: string): string {
  return `/shoal/${network}/control/1`;
}

/** The data protocol of a network. */
export function dataProtocol(network: string): string {
  return `/shoal/${network}/data/1`;
}

/** All links: at most one to each peer. Opens them, accepts them, and settles which of two stays. */
export class LinkTable {
  readonly #options: LinkTableOptions;
  readonly #self: PeerKey;
  readonly #up = new Map<PeerKey, PeerLink>();
  readonly #opening = new Map<PeerKey, Promise<PeerLink>>();
  readonly #greeting = new Set<PeerLink>();
  /** Data streams that came before their link's HELLO, by `keyOf`. */
  readonly #waitingData = new Map<string, { channel: DataChannel; peer: PeerKey; sinceMs: number }>();
  /** Links that wait for their data stream, by `keyOf`. */
  readonly #waitingLinks = new Map<string, PeerLink>();
  readonly #beginners = new Beginners();
  /** Connections on which nobody speaks this network's protocol. */
  readonly #foreign = new WeakSet<Connection>();
  /** Connections whose link ended, and until when none is opened on them unasked. */
  readonly #resting = new WeakMap<Connection, number>();
  readonly #stopping = new AbortController();
  #nextNumber = 1;

  constructor(options: LinkTableOptions) {
    this.#options = options;
    this.#self = options.libp2p.peerId.toString();
  }

  async start(): Promise<void> {
    const { libp2p, network } = this.#options;
    const limits = { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS };
    await libp2p.handle(
      controlProtocol(network),
      (stream, connection) => this.#acceptControl(stream, connection),
      limits,
    );
    await libp2p.handle(
      dataProtocol(network),
      (stream, connection) => this.#acceptData(stream, connection),
      limits,
    );
    libp2p.addEventListener(
      'connection:open',
      (event) => {
        if (event.detail.direction === 'outbound') this.#open(event.detail);
      },
      { signal: this.#stopping.signal },
    );
    this.openAll();
  }

  /** Says goodbye on all links and takes no more. */
  async stop(): Promise<void> {
    const { libp2p, network } = this.#options;
    this.#stopping.abort(
      new ShoalError('ERR_CLOSED', 'the node was closed while this was going on', { fault: 'none' }),
    );
    for (const link of [...this.#up.values(), ...this.#greeting]) link.end(undefined, 'closing');
    for (const key of [...this.#waitingData.keys()]) this.#dropData(key);
    await Promise.allSettled([
      libp2p.unhandle([controlProtocol(network), dataProtocol(network)]),
      ...this.#opening.values(),
    ]);
  }

  get(peer: PeerKey): PeerLink | undefined {
    return this.#up.get(peer);
  }

  /** Links that are up. */
  values(): IterableIterator<PeerLink> {
    return this.#up.values();
  }

  get size(): number {
    return this.#up.size;
  }

  /**
   * Opens a link on every connection that should have one and has none.
   *
   * @param evenResting also where a link ended lately
   */
  openAll(evenResting = false): void {
    const clockMs = Date.now();
    const nowMs = this.#options.nowMs();
    for (const connection of this.#options.libp2p.getConnections()) {
      if (!evenResting && nowMs < (this.#resting.get(connection) ?? -Infinity)) continue;
      // One from the future was opened before the clock was set back.
      const ageMs = clockMs - connection.timeline.open;
      const isOld = ageMs > OTHER_SIDE_OPENS_MS || ageMs < 0;
      if (connection.direction === 'outbound' || isOld) this.#open(connection);
    }
  }

  /** The link to the peer of this connection, opened where there is none. @throws why there cannot be one */
  ensure(connection: Connection): Promise<PeerLink> {
    const peer = connection.remotePeer.toString();
    const up = this.#up.get(peer);
    if (up) return Promise.resolve(up);
    let opening = this.#opening.get(peer);
    if (!opening) {
      opening = this.#greet(connection).finally(() => this.#opening.delete(peer));
      this.#opening.set(peer, opening);
    }
    return opening;
  }

  /** Ends what has waited too long, and opens links that are missing. Call it now and then. */
  tick(): void {
    this.openAll();
    const before = this.#options.nowMs() - GREETING_MS;
    for (const link of [...this.#greeting]) if (link.openedAtMs < before) this.#giveUp(link);
    for (const [key, { sinceMs }] of [...this.#waitingData]) if (sinceMs < before) this.#dropData(key);
  }

  /**
   * A connection that leads nowhere any more (the peer has another address) is open for as long as somebody writes to it, and
   * every dial would be given it. But a peer that has something on it, if only an answer of its muxer, is busy or takes no
   * links, and others may use it: its DHT, its relay.
   */
  #giveUp(link: PeerLink): void {
    const error = new Error('the peer did not greet');
    link.end(error);
    // This process may have stood still: what came meanwhile is read first.
    if (link.isOpener) atTurnEnd(() => link.isUnheard && link.connection.abort(error));
  }

  #open(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#stopping.signal.aborted || this.#foreign.has(connection) || connection.status !== 'open')
      return;
    if (!isDirect(connection)) return;
    if (this.#options.isBanned(peer) || this.#up.has(peer)) return;
    this.ensure(connection).catch((error: unknown) => {
      this.#options.log('debug', `no link to ${peer}: ${String(error)}`);
    });
  }

  async #greet(connection: Connection): Promise<PeerLink> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(GREETING_MS)]);
    signal.throwIfAborted();
    const [control, data] = await this.#openStreams(connection, signal);
    if (signal.aborted) {
      control.abort(signal.reason as Error);
      data.abort(signal.reason as Error);
      signal.throwIfAborted();
    }
    const { promise, resolve, reject } = Promise.withResolvers<PeerLink>();
    // It may be rejected before anybody holds it: a peer that resets the data stream must not end the process.
    promise.catch(() => {});
    const number = this.#nextNumber++;
    const link = this.#makeLink(connection, control, true, { resolve, reject });
    const channel = new DataChannel(data, refusing(link));
    link.attach(channel, this.#options.nowMs);
    try {
      channel.attach(number);
      link.send(this.#hello(number));
      this.#options.events.onGreeted(link);
    } catch (error) {
      link.end(error);
    }
    return promise;
  }

  async #openStreams(connection: Connection, signal: AbortSignal): Promise<[Stream, Stream]> {
    const { network } = this.#options;
    const protocols = [controlProtocol(network), dataProtocol(network)];
    const results = await Promise.allSettled(
      protocols.map((protocol) =>
        connection.newStream(protocol, { signal, maxOutboundStreams: MAX_STREAMS }),
      ),
    );
    const streams = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failure = results.find((result) => result.status === 'rejected');
    if (!failure) return streams as [Stream, Stream];
    const reason = failure.reason as Error;
    for (const stream of streams) stream.abort(reason);
    this.#noteForeign(connection, reason);
    if (signal.aborted && !this.#stopping.signal.aborted) this.#leave(connection, reason);
    throw reason;
  }

  /**
   * Nothing was answered on a connection. As long as it is open every dial is given it, and a link is tried there, and on no
   * other of the peer: of WebRTC one whose other end has been given up stays open for good where that end has another one, which
   * answers in its place. Where others use it they know whether it leads anywhere.
   */
  #leave(connection: Connection, error: Error): void {
    if (connection.streams.some(({ protocol }) => protocol !== ''))
      this.#resting.set(connection, this.#options.nowMs() + REOPEN_MS);
    else connection.abort(error);
  }

  /** Whether the protocol is spoken shows as a stream is opened, or, where it is used from the start, when it is refused. */
  #noteForeign(connection: Connection, error: unknown): void {
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') this.#foreign.add(connection);
  }

  #acceptControl(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (!this.#mayGreet(peer)) return stream.abort(new Error('too many streams of this peer are waiting'));
    if (!this.#beginners.mayBegin(peer, this.#options.nowMs()))
      return stream.abort(new Error('this peer begins one link after another'));
    this.#makeLink(connection, stream, false);
  }

  #acceptData(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (!this.#mayGreet(peer)) return stream.abort(new Error('too many streams of this peer are waiting'));
    // Waits under a key of its own until ATTACH names the link.
    let key = `${connection.id} ${stream.id} new`;
    const unattached = (): never => {
      throw badFrame('data before ATTACH');
    };
    const channel = new DataChannel(stream, {
      attach: (number) => {
        this.#waitingData.delete(key);
        key = keyOf(connection, number);
        const link = this.#waitingLinks.get(key);
        if (link) this.#pair(link, channel);
        else if (this.#waitingData.has(key)) throw badFrame('two data streams for one link');
        else this.#waitingData.set(key, { channel, peer, sinceMs: this.#options.nowMs() });
      },
      begin: unattached,
      payload: unattached,
      end: unattached,
      onDrain: () => {},
      onEnd: (error) => {
        this.#waitingData.delete(key);
        channel.end(new Error('the data stream ended'));
        if (isPeerFault(error)) this.#options.events.onBroken(peer, error);
      },
    });
    this.#waitingData.set(key, { channel, peer, sinceMs: this.#options.nowMs() });
  }

  #mayGreet(peer: PeerKey): boolean {
    if (this.#stopping.signal.aborted || this.#options.isBanned(peer)) return false;
    let count = 0;
    for (const link of this.#greeting) if (link.peer === peer) count++;
    for (const waiting of this.#waitingData.values()) if (waiting.peer === peer) count++;
    return count < MAX_GREETING_PER_PEER;
  }

  #makeLink(connection: Connection, control: Stream, isOpener: boolean, opening?: Opening): PeerLink {
    const { events, nowMs } = this.#options;
    const link = new PeerLink(connection, control, isOpener, nowMs, {
      onHello: (greeted) => {
        if (greeted.hello?.version === 0) throw badFrame('HELLO without a version');
        if (isOpener) this.#settle(greeted, opening);
        else this.#awaitData(greeted);
      },
      onMessage: (from, message) => {
        if (from.isUp) return events.onMessage(from, message);
        if (isOpener || !mayComeEarly(message) || from.early.push(message) > MAX_EARLY_MESSAGES)
          throw badFrame(`${message.type.toUpperCase()} before it was greeted`);
      },
      inbox: (of) => events.inbox(of),
      onDrain: (of) => events.onDrain(of),
      onEnd: (ended, error) => {
        this.#greeting.delete(ended);
        this.#noteForeign(connection, error);
        // The peer may have opened one of the same number meanwhile: both count their own.
        const key = ended.number === undefined ? undefined : keyOf(connection, ended.number);
        if (key !== undefined && this.#waitingLinks.get(key) === ended) this.#waitingLinks.delete(key);
        this.#options.log(
          isBug(error) ? 'error' : 'debug',
          `link to ${ended.peer} ended: ${error instanceof Error ? error.message : 'closed'}`,
        );
        const rest = ended.isFarewell ? RESTED_MS : REOPEN_MS;
        this.#resting.set(connection, this.#options.nowMs() + rest);
        if (this.#up.get(ended.peer) === ended) {
          this.#up.delete(ended.peer);
          if (!ended.isFarewell) this.#wakeOthers(connection);
          events.onDown(ended);
        } else if (isOpener) events.onLost(ended);
        opening?.reject(error ?? new Error('the link ended'));
        if (isPeerFault(error)) events.onBroken(ended.peer, error);
      },
    });
    this.#greeting.add(link);
    return link;
  }

  /** What failed may have taken the peer's other connections along, and a link shows it. */
  #wakeOthers(connection: Connection): void {
    for (const other of this.#options.libp2p.getConnections(connection.remotePeer))
      if (other !== connection) this.#resting.delete(other);
  }

  #awaitData(link: PeerLink): void {
    const key = keyOf(link.connection, link.number as number);
    const waiting = this.#waitingData.get(key);
    if (waiting) {
      this.#waitingData.delete(key);
      this.#pair(link, waiting.channel);
    } else if (this.#waitingLinks.has(key)) throw badFrame('two links with one number');
    else this.#waitingLinks.set(key, link);
  }

  /** The acceptor has both streams and the opener's HELLO: now it answers. */
  #pair(link: PeerLink, channel: DataChannel): void {
    this.#waitingLinks.delete(keyOf(link.connection, link.number as number));
    link.attach(channel, this.#options.nowMs);
    link.send(this.#hello(link.number as number));
    this.#settle(link);
  }

  /** HELLO has gone both ways: the link stays, or the one that is there already does. */
  #settle(link: PeerLink, opening?: Opening): void {
    this.#greeting.delete(link);
    const other = this.#up.get(link.peer);
    if (other && !this.#replaces(link, other)) {
      opening?.resolve(other);
      link.end(undefined, 'duplicate');
      this.#options.events.onRival(other);
      return;
    }
    other?.end(undefined, 'replaced');
    link.up();
    this.#up.set(link.peer, link);
    this.#options.events.onUp(link);
    opening?.resolve(link);
    for (const message of link.early.splice(0))
      if (!link.isEnded) this.#options.events.onMessage(link, message);
  }

  /** Of two links to one peer both ends must keep the same, whatever order they see them in. */
  #replaces(link: PeerLink, other: PeerLink): boolean {
    if (!sameBytes(link.hello?.instance, other.hello?.instance)) return true;
    // An opener has one link at a time: it opened another because it gave up the first.
    if (link.isOpener === other.isOpener) return true;
    return this.#openerOf(link) < this.#openerOf(other);
  }

  #openerOf(link: PeerLink): PeerKey {
    return link.isOpener ? this.#self : link.peer;
  }

  #hello(link: number): HelloMessage {
    return {
      type: 'hello',
      version: WIRE_VERSION,
      features: [PACKED_NODES, FORGET_NODES],
      limits: { controlFrameBytes: MAX_CONTROL_FRAME_BYTES, chunkBytes: MAX_PAYLOAD_BYTES },
      instance: this.#options.instance,
      link,
    };
  }

  #dropData(key: string): void {
    this.#waitingData.get(key)?.channel.end(new Error('no link took this data stream'));
    this.#waitingData.delete(key);
  }
}

type Opening = Pick<PromiseWithResolvers<PeerLink>, 'resolve' | 'reject'>;

/** What may be said of a root before both sides have greeted: little to keep, and nothing that the exchange acts on. */
function mayComeEarly(message: ControlMessage): boolean {
  if (message.type !== 'join') return message.type === 'nodes';
  const { have } = message;
  return have.kind === 'none' || (have.kind === 'some' && have.bits.byteLength <= MAX_EARLY_HAVE_BYTES);
}

/** Stands in until the link takes the stream over, in the same turn. */
function refusing(link: PeerLink) {
  const refuse = (): never => {
    throw badFrame('data before the link was up');
  };
  return {
    attach: refuse,
    begin: refuse,
    payload: refuse,
    end: refuse,
    settle: () => {},
    onDrain: () => {},
    onEnd: (error: unknown) => link.end(error),
  };
}

/** A fault of this program, not of the network or the peer: it must not go unseen. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

function keyOf(connection: Connection, number: number): string {
  return `${connection.id} ${number}`;
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.every((byte, at) => byte === b[at]);
}
