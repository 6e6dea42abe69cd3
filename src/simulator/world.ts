import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { Action, Event } from '../swarm/core/events.ts';
import { Exchange } from '../swarm/core/exchange.ts';
import type { ExchangeConfig } from '../swarm/core/exchange-config.ts';
import { haveOf } from '../swarm/core/membership.ts';
import type { Contact, Message, PeerKey } from '../swarm/core/messages.ts';
import { randomInt, seededRng, type Rng } from '../swarm/core/rng.ts';
import { messageBytes } from './message-bytes.ts';
import type { PeerOutcome } from './outcome.ts';
import type { Group, NetworkModel } from './scenario.ts';
import { SimLinks } from './sim-links.ts';
import { ASSET, type LinkEnd, SimNode } from './sim-node.ts';
import { bend, delivers, MANY_LINKS } from './strategy.ts';
import { TimeWheel } from './time-wheel.ts';
import { Uplink, type Sending } from './uplink.ts';
import { ackWireBytes, PACKET_BYTES, SAME_PACKET_MS, SEGMENT_BYTES, wireBytes } from './wire-bytes.ts';

/** Contacts that a peer has from elsewhere when it joins (a link, the DHT), where peers meet at random. */
const FIRST_CONTACTS = 30;

/**
 * Chunks travel in pieces of so many bytes where windows and losses count: TCP's first window, ten segments, so that slow
 * start goes as it does. (Pieces of 16 KiB did not fit into it, nor two of them into its double.)
 */
const PIECE_BYTES = 14_480;

/** From so many nodes on a chunk is one piece: events, not fidelity, are the bound there. */
const MANY_NODES = 400;

/**
 * So much stands before a downlink, whoever sends, besides what a round trip holds: beyond it routers drop packets, and TCP lets no
 * more be on its way. (Without a bound all that TCP's windows hold stood there, up to 4 MiB of each sender: half a minute at 1 Mbit/s.)
 * The test bed has 100 ms, which cut the bursts of a fast downlink here, too, that real TCP brings through by sending again.
 */
const DOWNLINK_QUEUE_MS = 300;

export interface WorldOptions {
  seed: number;
  sizes: Uint32Array;
  network: NetworkModel;
  /** How many nodes there will be: decides how fine the pieces are. */
  nodes: number;
}

/**
 * A network of simulated nodes: uplinks and downlinks of bounded speed, paths with delay, loss and TCP's window,
 * disks, and parts that do not reach each other. Every node runs the real core; what it wants done happens here.
 */
export class World {
  readonly wheel: TimeWheel;
  readonly nodes: SimNode[] = [];
  /** Every name that a node has, or had. */
  readonly byName = new Map<PeerKey, SimNode>();
  readonly sizes: Uint32Array;
  readonly fileBytes: number;
  /** Payload bytes that nodes which published the asset have sent. */
  originBytes = 0;
  /** Called when a node has everything. */
  onComplete: (node: SimNode) => void = () => {};
  readonly #origins: SimNode[] = [];
  readonly #network: NetworkModel;
  readonly #rng: Rng;
  readonly #links: SimLinks;
  readonly #pieceBytes: number;
  readonly #isShared: boolean;
  #trace = 0x811c9dc5;

  constructor({ seed, sizes, network, nodes }: WorldOptions) {
    this.#rng = seededRng(seed);
    this.#network = network;
    this.sizes = sizes;
    this.fileBytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
    this.#isShared = network.uplink === 'shared';
    const isFine = (network.tcp || network.loss > 0 || network.uplink === 'shared') && nodes < MANY_NODES;
    this.#pieceBytes = isFine ? PIECE_BYTES : Infinity;
    this.wheel = new TimeWheel(Math.min(0.25, network.rttMs[0] / 4));
    this.#links = new SimLinks(network, this.#rng, this.wheel, {
      byName: this.byName,
      handle: (node, event) => this.handle(node, event),
      deliver: (end, message, atMs) => this.#deliver(end, message, atMs),
      name: (end) => this.#name(end),
      pump: (node) => this.#pump(node),
    });
  }

  get nowMs(): number {
    return this.wheel.nowMs;
  }

  /** Hash over all that all cores did, in its order: two runs are the same where it is. */
  get traceHash(): string {
    return (this.#trace >>> 0).toString(16).padStart(8, '0');
  }

  /** A node begins, with what `have` says. Its core takes `have` over. */
  add(name: PeerKey, group: Group, outcome: PeerOutcome, have: Bitfield): SimNode {
    const rng = seededRng(Math.floor(this.#rng() * 2 ** 32));
    const node = new SimNode({
      index: this.nodes.length,
      name,
      group,
      outcome,
      have,
      uplink: new Uplink(this.#network.uplink),
      exchange: new Exchange({ self: name, ...configOf(group) }, rng),
      rng,
    });
    this.nodes.push(node);
    if (group.role === 'origin') this.#origins.push(node);
    this.byName.set(name, node);
    this.handle(node, {
      type: 'asset-added',
      asset: ASSET,
      sizes: this.sizes,
      have,
      origin: group.role === 'origin',
      wanted: group.role === 'peer' ? 'all' : 'none',
    });
    return node;
  }

  /** The node hears of others, as from a link, the DHT or what it remembers. */
  introduce(node: SimNode): void {
    const known = new Map<PeerKey, Contact>();
    for (const other of node.group.strategy === 'many-links' ? this.nodes : this.#origins) {
      if (!other.isGone && other !== node) known.set(other.name, contactOf(other));
    }
    for (let tries = 0; this.#network.meet === 'random' && tries < FIRST_CONTACTS; tries++) {
      const other = this.nodes[randomInt(this.#rng, this.nodes.length)] as SimNode;
      if (!other.isGone && other !== node) known.set(other.name, contactOf(other));
    }
    this.handle(node, {
      type: 'contacts',
      asset: ASSET,
      contacts: [...known.values()],
    });
    // No core that dials with restraint would do for who wants all.
    if (node.group.strategy === 'many-links') for (const peer of known.keys()) this.#links.dial(node, peer);
  }

  /** The process ends without a word; its system closes its connections. */
  leave(node: SimNode): void {
    if (node.isGone) return;
    node.isGone = true;
    node.outcome.links = node.links.size;
    for (const end of node.links.values()) {
      end.isUp = false;
      this.#later(end.rttMs / 2, () => this.#links.lose(end.back));
    }
    node.links.clear();
    node.uplink.clear();
  }

  /** Gives every node its part of the network; links across parts carry nothing until they die or the parts meet again. */
  divide(zoneOf: (node: SimNode) => number): void {
    for (const node of this.nodes) node.zone = zoneOf(node);
    for (const node of this.nodes) {
      if (node.isGone) continue;
      for (const end of [...node.links.values()]) this.#links.reconsider(end);
      this.#pump(node);
    }
  }

  handle(node: SimNode, event: Event): void {
    if (node.isGone) return;
    const nowMs = this.wheel.nowMs;
    const { exchange } = node;
    if (this.#isShared && event.type === 'message' && event.message.type === 'ack') {
      const { bytes, atMs } = event.message;
      const took = node.links.get(event.peer)?.window.acked(nowMs, bytes, atMs);
      if (took) node.sockets.took(nowMs, took);
    }
    exchange.handle(nowMs, event);
    for (let action = exchange.poll(); action; action = exchange.poll()) {
      this.#note(node, action);
      this.#carryOut(node, action);
    }
    if (this.#isShared) this.#write(node);
    const wakeAtMs = exchange.nextWakeMs();
    if (wakeAtMs === undefined || wakeAtMs >= node.wakeAtMs) return;
    node.wakeAtMs = wakeAtMs;
    this.wheel.at(wakeAtMs, () => {
      if (node.wakeAtMs !== wakeAtMs) return;
      node.wakeAtMs = Infinity;
      this.handle(node, { type: 'wake' });
    });
  }

  #carryOut(node: SimNode, action: Action): void {
    switch (action.type) {
      case 'send':
        return this.#send(node, action.peer, action.message);
      case 'upload':
        return this.#upload(node, action.peer, action.chunk, action.first);
      case 'cancel-upload':
        return node.uplink.cancel(action.peer, action.chunk);
      case 'dial':
        return this.#links.dial(node, action.contact.peer);
      case 'misbehaved':
        node.outcome.misbehaved.push({
          peer: action.peer,
          code: action.code,
          atMs: this.nowMs,
        });
        return this.#links.hangUp(node, action.peer);
      case 'close':
        return this.#links.hangUp(node, action.peer);
      case 'complete':
        node.outcome.completedMs ??= this.nowMs;
        this.onComplete(node);
    }
  }

  #send(node: SimNode, to: PeerKey, original: Message): void {
    const end = node.links.get(to);
    const message = end && bend(node.group, end.to.group, original, this.sizes.length, node.rng);
    if (!end || !message) return;
    const bytes = messageBytes(message);
    node.outcome.controlBytes += bytes;
    if (end.blockedAtMs !== undefined) {
      end.stalled.push(message);
      return;
    }
    if (this.#network.headers) this.#sendPacket(end, bytes);
    // What is in the socket goes first.
    const before = end.socket.at(-1);
    if (before) before.followers.push(message);
    else this.#deliver(end, message, end.pipe.sendSmall(this.nowMs + this.#links.queueMs(node)));
  }

  #name({ from, to }: LinkEnd): void {
    const join: Message = { type: 'join', asset: ASSET, have: haveOf(from.have), reply: true };
    const message = bend(from.group, to.group, join, this.sizes.length, from.rng);
    if (!message) return;
    from.outcome.controlBytes += messageBytes(message);
    this.handle(to, { type: 'message', peer: from.name, message });
  }

  /** The uplink's time for a message, and the other's for the acknowledgement. */
  #sendPacket(end: LinkEnd, bytes: number): void {
    const isAlone = this.nowMs - end.packetAtMs > SAME_PACKET_MS;
    if (isAlone) end.packetAtMs = this.nowMs;
    this.#spend(end.from, bytes + (isAlone ? PACKET_BYTES : 0));
    if (isAlone) this.#spend(end.to, ackWireBytes(SEGMENT_BYTES));
  }

  #spend(node: SimNode, bytes: number): void {
    node.uplink.spend(this.nowMs, (bytes * 8000) / node.group.up);
  }

  #deliver(end: LinkEnd, message: Message, atMs: number): void {
    this.wheel.at(atMs, () => {
      if (!end.back.isUp) return;
      this.handle(end.to, { type: 'message', peer: end.from.name, message });
    });
  }

  #upload(node: SimNode, peer: PeerKey, chunk: number, first: boolean): void {
    const end = node.links.get(peer);
    if (!end) return;
    const bytes = this.sizes[chunk] as number;
    if (!delivers(node.group.strategy)) return this.#pretend(end, bytes);
    node.uplink.add({ end, chunk, bytes, first, hasBegun: false, writtenBytes: 0, sentBytes: 0 });
    if (!this.#isShared) this.#pump(node);
  }

  /** Chunks go into the sockets as the shell writes them (`swarm/uplink.ts`). */
  #write(node: SimNode): void {
    const { links, sockets, exchange, uplink } = node;
    if (links.size < 2) uplink.write(this.nowMs, this.#pieceBytes, undefined);
    else {
      let inSockets = 0;
      for (const end of links.values()) {
        if (!exchange.isStuck(end.to.name)) inSockets += end.window.countedBytes(this.nowMs);
      }
      if (!uplink.write(this.nowMs, this.#pieceBytes, sockets.bytes - inSockets)) sockets.heldBack();
    }
    this.#pump(node);
  }

  /** A cheat that sends nothing tells its core that all arrives: it goes on granting as if its uplink had no bounds. */
  #pretend(end: LinkEnd, bytes: number): void {
    end.pretendedBytes += bytes;
    const ack: Message = { type: 'ack', bytes: end.pretendedBytes };
    this.#later(end.rttMs, () => {
      if (end.isUp)
        this.handle(end.from, {
          type: 'message',
          peer: end.to.name,
          message: ack,
        });
    });
  }

  /** Sends the next piece, where there is one that may go. */
  #pump(node: SimNode): void {
    const { uplink } = node;
    if (uplink.isSending || node.isGone) return;
    const next = uplink.next(this.#pieceBytes, (end, piece) => this.#maySend(end, piece));
    if (!next) return;
    uplink.isSending = true;
    next.job.hasBegun = true;
    const { bytes } = next;
    // Where the uplink did not rest it goes on from its own time, so that quanta do not add up.
    const startMs = this.nowMs - uplink.freeAtMs < 1 ? uplink.freeAtMs : this.nowMs;
    uplink.freeAtMs = startMs + ((this.#network.headers ? wireBytes(bytes) : bytes) * 8000) / node.group.up;
    this.wheel.at(uplink.freeAtMs, () => {
      uplink.isSending = false;
      this.#left(next);
      this.#pump(node);
    });
  }

  #maySend(end: LinkEnd, bytes: number): boolean {
    if (end.blockedAtMs !== undefined || !end.pipe.canSend(this.nowMs, bytes)) return false;
    const { from, to, rttMs } = end;
    const ms = ((to.downBytes + bytes) * 8000) / to.group.down;
    if (to.downBytes === 0 || ms <= rttMs + DOWNLINK_QUEUE_MS) return true;
    to.heldBack.add(from);
    return false;
  }

  /** So many bytes stand no longer before a downlink: who waited for it goes on, those first that did so the longest. */
  #passed(node: SimNode, bytes: number): void {
    node.downBytes -= bytes;
    if (node.heldBack.size === 0) return;
    const waiting = [...node.heldBack];
    node.heldBack.clear();
    for (const from of waiting) this.#pump(from);
  }

  /** A piece has left the uplink. */
  #left({ job, bytes }: Sending): void {
    const { end, chunk } = job;
    const node = end.from;
    if (node.isGone || !end.isUp) return;
    const followers = node.uplink.left(job, bytes);
    const isLast = job.sentBytes === job.bytes;
    node.outcome.sentBytes += bytes;
    if (node.group.role === 'origin') this.originBytes += bytes;
    end.to.downBytes += bytes;
    this.wheel.at(end.pipe.send(node.uplink.freeAtMs, bytes), () => this.#comeIn(end, chunk, bytes, isLast));
    for (const message of followers) {
      if (end.blockedAtMs === undefined) this.#deliver(end, message, end.pipe.sendSmall(this.nowMs));
      else end.stalled.push(message);
    }
  }

  /** A piece comes to the downlink of its receiver, and through it. What the path loses meanwhile is sent again. */
  #comeIn(end: LinkEnd, chunk: number, bytes: number, isLast: boolean): void {
    const { to } = end;
    if (!end.back.isUp) return this.#passed(to, bytes);
    to.downFreeAtMs = Math.max(to.downFreeAtMs, this.nowMs) + (bytes * 8000) / to.group.down;
    this.wheel.at(to.downFreeAtMs, () => {
      this.#passed(to, bytes);
      if (end.blockedAtMs === undefined) return this.#arrived(end, chunk, bytes, isLast);
      end.lost.push(() => {
        to.downBytes += bytes;
        this.#comeIn(end, chunk, bytes, isLast);
      });
    });
  }

  #arrived(end: LinkEnd, chunk: number, bytes: number, last: boolean): void {
    const { from, to } = end;
    if (this.#network.tcp) {
      this.#later(end.rttMs / 2, () => {
        end.pipe.acked(this.nowMs, bytes);
        this.#pump(from);
      });
    }
    if (!end.back.isUp) return;
    if (this.#network.headers) this.#spend(to, ackWireBytes(bytes));
    to.outcome.receivedBytes += bytes;
    if (to.have.has(chunk)) to.outcome.wastedBytes += bytes;
    const isKept = to.exchange.keeps(from.name, ASSET, chunk);
    this.handle(to, {
      type: 'data',
      peer: from.name,
      asset: ASSET,
      chunk,
      bytes,
      last,
    });
    if (!last || !isKept) return;
    const isWrong = from.group.strategy === 'liar';
    if (isWrong) to.outcome.wastedBytes += this.sizes[chunk] as number;
    to.diskFreeAtMs =
      Math.max(to.diskFreeAtMs, this.nowMs) +
      ((this.sizes[chunk] as number) * 1000) / to.group.diskBytesPerSec;
    this.wheel.at(to.diskFreeAtMs, () => {
      this.handle(to, {
        type: isWrong ? 'corrupt' : 'verified',
        peer: from.name,
        asset: ASSET,
        chunk,
      });
    });
  }

  #later(ms: number, run: () => void): void {
    this.wheel.at(this.nowMs + ms, run);
  }

  #note(node: SimNode, action: Action): void {
    let hash = this.#trace;
    hash = Math.imul(hash ^ node.index, 0x01000193);
    hash = Math.imul(hash ^ (this.nowMs * 16), 0x01000193);
    hash = Math.imul(hash ^ (ACTION_NUMBERS[action.type] ?? 0), 0x01000193);
    if (action.type === 'upload') hash = Math.imul(hash ^ action.chunk, 0x01000193);
    if (action.type === 'send') hash = Math.imul(hash ^ action.message.type.length, 0x01000193);
    this.#trace = hash;
  }
}

const ACTION_NUMBERS: Readonly<Record<Action['type'], number>> = {
  send: 1,
  upload: 2,
  'cancel-upload': 3,
  dial: 4,
  close: 5,
  misbehaved: 6,
  complete: 7,
};

function configOf(group: Group): ExchangeConfig {
  return {
    fleet: group.mode === 'fleet',
    offload: group.mode === 'offload',
    ...(group.strategy === 'many-links' && {
      degree: MANY_LINKS,
      maxContacts: 10 * MANY_LINKS,
    }),
  };
}

function contactOf(node: SimNode): Contact {
  return { peer: node.name, addresses: node.addresses };
}
