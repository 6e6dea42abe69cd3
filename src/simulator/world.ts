import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { Action, Event } from '../swarm/core/events.ts';
import type { ExchangeConfig } from '../swarm/core/exchange-config.ts';
import type { Contact, Message, PeerKey } from '../swarm/core/messages.ts';
import { haveOf } from '../swarm/core/membership.ts';
import { randomInt, seededRng, type Rng } from '../swarm/core/rng.ts';
import { messageBytes } from './message-bytes.ts';
import type { PeerOutcome } from './outcome.ts';
import type { Group, NetworkModel } from './scenario.ts';
import { LinkEnd, SimNode, type Job } from './sim-node.ts';
import { bend, delivers, MANY_LINKS } from './strategy.ts';
import { TcpPipe } from './tcp-pipe.ts';
import { TimeWheel } from './time-wheel.ts';

/** The one asset of a simulated world. */
export const ASSET = 0;

/** Both ends give a link up on which nothing came for so long (`swarm/link-care.ts`). */
const SILENCE_MS = 10_000;

/** Round trips are measured so often (`swarm/link-care.ts`). */
const PING_MS = 5000;

/** A dial nobody answers is given up after this (libp2p's default for a connection). */
const DIAL_TIMEOUT_MS = 10_000;

/** When a SYN that nobody answers is sent again (Linux: after a second, doubling). */
const SYN_AT_MS = [1000, 3000, 7000];

/**
 * Round trips from a dial to HELLO's arrival: TCP, multistream-select, TLS, and half of one for both streams and HELLO, which
 * go out together. The side that dialled has the other's HELLO half a round trip later.
 */
const DIAL_ROUND_TRIPS = 3.5;

/** Contacts that a peer has from elsewhere when it joins (a link, the DHT), where peers meet at random. */
const FIRST_CONTACTS = 30;

/**
 * Chunks travel in pieces of so many bytes where windows and losses count: TCP's first window, ten segments, so that slow
 * start goes as it does. (Pieces of 16 KiB did not fit into it, nor two of them into its double.)
 */
const PIECE_BYTES = 14_480;

/** From so many nodes on a chunk is one piece: events, not fidelity, are the bound there. */
const MANY_NODES = 400;

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
  readonly #network: NetworkModel;
  readonly #rng: Rng;
  readonly #pieceBytes: number;
  #trace = 0x811c9dc5;

  constructor({ seed, sizes, network, nodes }: WorldOptions) {
    this.#rng = seededRng(seed);
    this.#network = network;
    this.sizes = sizes;
    this.fileBytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const isFine = (network.tcp || network.loss > 0 || network.uplink === 'shared') && nodes < MANY_NODES;
    this.#pieceBytes = isFine ? PIECE_BYTES : Infinity;
    this.wheel = new TimeWheel(Math.min(0.25, network.rttMs[0] / 4));
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
    const node = new SimNode(this.nodes.length, name, group, outcome, have, configOf(group), rng);
    this.nodes.push(node);
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
    for (const other of this.nodes) {
      if (other.isGone || other === node) continue;
      if (other.group.role === 'origin' || node.group.strategy === 'many-links')
        known.set(other.name, contactOf(other));
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
    if (node.group.strategy === 'many-links') for (const peer of known.keys()) this.#dial(node, peer);
  }

  /** The process ends without a word; its system closes its connections. */
  leave(node: SimNode): void {
    if (node.isGone) return;
    node.isGone = true;
    node.outcome.links = node.links.size;
    for (const end of node.links.values()) {
      this.#later(end.rttMs / 2, () => this.#lose(end.back));
    }
    node.links.clear();
    node.uplink.fifo.length = 0;
    node.uplink.ring.length = 0;
  }

  /** Gives every node its part of the network; links across parts carry nothing until they die or the parts meet again. */
  divide(zoneOf: (node: SimNode) => number): void {
    for (const node of this.nodes) node.zone = zoneOf(node);
    for (const node of this.nodes) {
      if (node.isGone) continue;
      for (const end of [...node.links.values()]) this.#reconsider(end);
      this.#pump(node);
    }
  }

  handle(node: SimNode, event: Event): void {
    if (node.isGone) return;
    const nowMs = this.wheel.nowMs;
    const { exchange } = node;
    exchange.handle(nowMs, event);
    for (let action = exchange.poll(); action; action = exchange.poll()) {
      this.#note(node, action);
      this.#carryOut(node, action);
    }
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
        return this.#cancelUpload(node, action.peer, action.chunk);
      case 'dial':
        return this.#dial(node, action.contact.peer);
      case 'misbehaved':
        node.outcome.misbehaved.push({
          peer: action.peer,
          code: action.code,
          atMs: this.nowMs,
        });
        return this.#hangUp(node, action.peer);
      case 'close':
        return this.#hangUp(node, action.peer);
      case 'complete':
        node.outcome.completedMs ??= this.nowMs;
        this.onComplete(node);
    }
  }

  #send(node: SimNode, to: PeerKey, original: Message): void {
    const end = node.links.get(to);
    const message = end && bend(node.group, end.to.group, original, this.sizes.length, node.rng);
    if (!end || !message) return;
    node.outcome.controlBytes += messageBytes(message);
    if (end.blockedAtMs !== undefined) {
      end.stalled.push(message);
      return;
    }
    const before = this.#network.uplink === 'shared' ? end.jobs.at(-1) : undefined;
    // What is in the socket goes first.
    if (before) before.followers.push(message);
    else this.#deliver(end, message, end.pipe.sendSmall(this.nowMs));
  }

  #deliver(end: LinkEnd, message: Message, atMs: number): void {
    this.wheel.at(atMs, () => {
      if (end.to.links.get(end.from.name) !== end.back) return;
      this.handle(end.to, { type: 'message', peer: end.from.name, message });
    });
  }

  /** How long a ping would wait behind what its link's socket holds, while all links share the uplink. */
  #waitMs(end: LinkEnd): number {
    if (this.#network.uplink === 'fifo') return 0;
    return (end.queuedBytes * Math.max(1, end.from.uplink.ring.length) * 8000) / end.from.group.up;
  }

  #upload(node: SimNode, peer: PeerKey, chunk: number, first: boolean): void {
    const end = node.links.get(peer);
    if (!end) return;
    const bytes = this.sizes[chunk] as number;
    if (!delivers(node.group.strategy)) return this.#pretend(end, bytes);
    const job: Job = { end, chunk, bytes, first, hasBegun: false, sentBytes: 0, followers: [] };
    if (this.#network.uplink === 'fifo') {
      const at = first ? node.uplink.fifo.findIndex((other) => !other.first && !other.hasBegun) : -1;
      node.uplink.fifo.splice(at < 0 ? node.uplink.fifo.length : at, 0, job);
    } else {
      if (end.jobs.length === 0) node.uplink.ring.push(end);
      end.jobs.push(job);
    }
    end.queuedBytes += bytes;
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

  #cancelUpload(node: SimNode, peer: PeerKey, chunk: number): void {
    const end = node.links.get(peer);
    if (!end) return;
    // What is in a socket is sent.
    const jobs = node.uplink.fifo;
    const at = jobs.findIndex((job) => job.end === end && job.chunk === chunk && !job.hasBegun);
    if (at < 0) return;
    end.queuedBytes -= (jobs[at] as Job).bytes;
    jobs.splice(at, 1);
  }

  /** Sends the next piece, where there is one that may go. */
  #pump(node: SimNode): void {
    const { uplink } = node;
    if (uplink.isSending || node.isGone) return;
    const job = this.#network.uplink === 'fifo' ? this.#nextOfFifo(node) : this.#nextOfRing(node);
    if (!job) return;
    uplink.isSending = true;
    job.hasBegun = true;
    const bytes = Math.min(this.#pieceBytes, job.bytes - job.sentBytes);
    // Where the uplink did not rest it goes on from its own time, so that quanta do not add up.
    const startMs = this.nowMs - uplink.freeAtMs < 1 ? uplink.freeAtMs : this.nowMs;
    uplink.freeAtMs = startMs + (bytes * 8000) / node.group.up;
    this.wheel.at(uplink.freeAtMs, () => {
      uplink.isSending = false;
      this.#left(job, bytes);
      this.#pump(node);
    });
  }

  #nextOfFifo(node: SimNode): Job | undefined {
    const { fifo } = node.uplink;
    for (let at = 0; at < fifo.length; at++) {
      const job = fifo[at] as Job;
      if (!job.end.isUp) {
        fifo.splice(at--, 1);
        continue;
      }
      if (this.#maySend(job)) return job;
    }
    return undefined;
  }

  #nextOfRing(node: SimNode): Job | undefined {
    const { ring } = node.uplink;
    for (let turns = ring.length; turns > 0; turns--) {
      const end = ring.shift() as LinkEnd;
      const job = end.jobs[0];
      if (!job || !end.isUp) continue;
      ring.push(end);
      if (this.#maySend(job)) return job;
    }
    return undefined;
  }

  #maySend(job: Job): boolean {
    const { end } = job;
    if (end.blockedAtMs !== undefined) return false;
    return end.pipe.canSend(this.nowMs, Math.min(this.#pieceBytes, job.bytes - job.sentBytes));
  }

  /** A piece has left the uplink. */
  #left(job: Job, bytes: number): void {
    const { end, chunk } = job;
    const node = end.from;
    if (node.isGone || !end.isUp) return;
    job.sentBytes += bytes;
    end.queuedBytes -= bytes;
    const isLast = job.sentBytes === job.bytes;
    if (isLast) this.#finished(node, job);
    node.outcome.sentBytes += bytes;
    if (node.group.role === 'origin') this.originBytes += bytes;
    this.wheel.at(end.pipe.send(node.uplink.freeAtMs, bytes), () => this.#comeIn(end, chunk, bytes, isLast));
    for (const message of isLast ? job.followers : []) {
      if (end.blockedAtMs === undefined) this.#deliver(end, message, end.pipe.sendSmall(this.nowMs));
      else end.stalled.push(message);
    }
  }

  /** A piece comes to the downlink of its receiver, and through it. What the path loses meanwhile is sent again. */
  #comeIn(end: LinkEnd, chunk: number, bytes: number, isLast: boolean): void {
    const { from, to } = end;
    if (to.links.get(from.name) !== end.back) return;
    to.downFreeAtMs = Math.max(to.downFreeAtMs, this.nowMs) + (bytes * 8000) / to.group.down;
    this.wheel.at(to.downFreeAtMs, () => {
      if (end.blockedAtMs === undefined) this.#arrived(end, chunk, bytes, isLast);
      else end.lost.push(() => this.#comeIn(end, chunk, bytes, isLast));
    });
  }

  #finished(node: SimNode, job: Job): void {
    const { uplink } = node;
    if (this.#network.uplink === 'fifo') uplink.fifo.splice(uplink.fifo.indexOf(job), 1);
    else {
      job.end.jobs.shift();
      if (job.end.jobs.length === 0) uplink.ring.splice(uplink.ring.indexOf(job.end), 1);
    }
  }

  #arrived(end: LinkEnd, chunk: number, bytes: number, last: boolean): void {
    const { from, to } = end;
    if (this.#network.tcp) {
      this.#later(end.rttMs / 2, () => {
        end.pipe.acked(this.nowMs, bytes);
        this.#pump(from);
      });
    }
    if (to.links.get(from.name) !== end.back) return;
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

  #dial(node: SimNode, peer: PeerKey): void {
    const other = this.byName.get(peer);
    if (!other || other.isGone) {
      this.#later(this.#drawRtt(), () => this.handle(node, { type: 'dial-failed', peer }));
    } else this.#tryToReach(node, other, 0);
  }

  /** TCP asks again and again, until the dial is given up. */
  #tryToReach(node: SimNode, other: SimNode, tries: number): void {
    if (node.reaches(other)) {
      const rttMs = this.#rttOf(node, other);
      return this.#later(DIAL_ROUND_TRIPS * rttMs, () => this.#connect(node, other, rttMs));
    }
    const sinceMs = tries === 0 ? 0 : (SYN_AT_MS[tries - 1] as number);
    const next = SYN_AT_MS[tries];
    if (next === undefined) {
      const fail = (): void => this.handle(node, { type: 'dial-failed', peer: other.name });
      return this.#later(DIAL_TIMEOUT_MS - sinceMs, fail);
    }
    this.#later(next - sinceMs, () => {
      if (!node.isGone) this.#tryToReach(node, other, tries + 1);
    });
  }

  #connect(a: SimNode, b: SimNode, rttMs: number): void {
    if (a.isGone || b.isGone || !a.reaches(b)) {
      this.handle(a, { type: 'dial-failed', peer: b.name });
      return;
    }
    if (a.links.has(b.name) || b.links.has(a.name)) return;
    const there = new LinkEnd(a, b, rttMs, new TcpPipe(this.#network, rttMs, this.#rng));
    const back = new LinkEnd(b, a, rttMs, new TcpPipe(this.#network, rttMs, this.#rng));
    there.back = back;
    back.back = there;
    a.links.set(b.name, there);
    b.links.set(a.name, back);
    this.#later(rttMs / 2, () => this.#greet(there));
    this.#greet(back);
    // Named right behind HELLO (`NodeSwarm.linkGreeted`).
    const have = haveOf(a.have);
    if (a.group.role !== 'peer' || a.have.isFull) return;
    this.handle(b, {
      type: 'message',
      peer: a.name,
      message: { type: 'join', asset: ASSET, have, reply: true },
    });
  }

  #greet(end: LinkEnd): void {
    if (!end.isUp) return;
    const peer = end.to.name;
    this.handle(end.from, { type: 'connected', peer });
    this.handle(end.from, { type: 'reachable', peer, addresses: addressesOf(end.to) });
    this.#later(this.#network.rttLateMs, () => this.#measure(end));
  }

  #measure(end: LinkEnd): void {
    if (!end.isUp) return;
    if (end.blockedAtMs === undefined) {
      const error = 1 + this.#network.rttError * (2 * this.#rng() - 1);
      const rttMs = end.rttMs * error + this.#waitMs(end) + this.#waitMs(end.back);
      this.handle(end.from, { type: 'rtt', peer: end.to.name, rttMs });
      if (this.#network.rttError === 0 && this.#network.uplink === 'fifo') return;
    }
    this.#later(PING_MS, () => this.#measure(end));
  }

  #hangUp(node: SimNode, peer: PeerKey): void {
    const end = node.links.get(peer);
    if (!end) return;
    node.links.delete(peer);
    // The core has forgotten the peer already; `gone` for one it does not know changes nothing.
    if (end.blockedAtMs === undefined) this.#later(end.rttMs / 2, () => this.#lose(end.back));
  }

  /** The link is down at this end. */
  #lose(end: LinkEnd): void {
    if (!end.isUp) return;
    end.from.links.delete(end.to.name);
    this.handle(end.from, { type: 'gone', peer: end.to.name });
    this.#pump(end.from);
  }

  /** The parts of the network changed: the link's path ends, or comes back. */
  #reconsider(end: LinkEnd): void {
    const isOpen = end.from.reaches(end.to);
    if (isOpen === (end.blockedAtMs === undefined)) return;
    if (!isOpen) {
      const sinceMs = this.nowMs;
      end.blockedAtMs = sinceMs;
      this.#later(SILENCE_MS, () => {
        if (end.blockedAtMs === sinceMs) this.#lose(end);
      });
      return;
    }
    const forMs = this.nowMs - (end.blockedAtMs as number);
    end.blockedAtMs = undefined;
    const messages = end.stalled;
    end.stalled = [];
    const atMs = end.pipe.stalled(this.nowMs, forMs);
    for (const message of messages) this.#deliver(end, message, atMs);
    for (const comeIn of end.lost.splice(0)) this.wheel.at(atMs, comeIn);
  }

  #rttOf(a: SimNode, b: SimNode): number {
    const [least, most] = this.#network.rttMs;
    // Drawn from the pair, so that a link that comes back has the round trip it had.
    const low = Math.min(a.index, b.index);
    const high = Math.max(a.index, b.index);
    return (
      least + (most - least) * seededRng(Math.imul(low + 1, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b))()
    );
  }

  #drawRtt(): number {
    const [least, most] = this.#network.rttMs;
    return least + (most - least) * this.#rng();
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

function addressesOf(node: SimNode): string[] {
  // As long as an address with a peer id on the wire is: it counts as control.
  return [`/ip4/10.0.0.0/tcp/40000/p2p/${node.name.padEnd(52, '.')}`];
}

function contactOf(node: SimNode): Contact {
  return { peer: node.name, addresses: addressesOf(node) };
}
