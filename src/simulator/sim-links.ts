import type { Event } from '../swarm/core/events.ts';
import type { AssetKey, Message, PeerKey } from '../swarm/core/messages.ts';
import { seededRng, type Rng } from '../swarm/core/rng.ts';
import type { NetworkModel } from './scenario.ts';
import { ASSET, LinkEnd, type SimNode } from './sim-node.ts';
import { TcpPipe } from './tcp-pipe.ts';
import type { TimeWheel } from './time-wheel.ts';

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

/** What links move in the world. */
export interface LinkHost {
  readonly byName: ReadonlyMap<PeerKey, SimNode>;
  handle(node: SimNode, event: Event): void;
  deliver(end: LinkEnd, message: Message, atMs: number): void;
  /** The opener names the asset, and asks for an answer: it has come with HELLO. */
  name(end: LinkEnd): void;
  /** The node's uplink may be able to send again. */
  pump(node: SimNode): void;
}

/** How links of simulated nodes come about, are measured, break and come back. */
export class SimLinks {
  readonly #network: NetworkModel;
  readonly #rng: Rng;
  readonly #wheel: TimeWheel;
  readonly #host: LinkHost;

  constructor(network: NetworkModel, rng: Rng, wheel: TimeWheel, host: LinkHost) {
    this.#network = network;
    this.#rng = rng;
    this.#wheel = wheel;
    this.#host = host;
  }

  /** Dials, as TCP does. A core that is not told otherwise hears `dial-failed` in the end. */
  dial(node: SimNode, peer: PeerKey): void {
    const other = this.#host.byName.get(peer);
    if (!other || other.isGone) {
      this.#later(this.#drawRtt(), () => this.#host.handle(node, { type: 'dial-failed', peer }));
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
      const fail = (): void => this.#host.handle(node, { type: 'dial-failed', peer: other.name });
      return this.#later(DIAL_TIMEOUT_MS - sinceMs, fail);
    }
    this.#later(next - sinceMs, () => {
      if (!node.isGone) this.#tryToReach(node, other, tries + 1);
    });
  }

  #connect(a: SimNode, b: SimNode, rttMs: number): void {
    if (a.isGone || b.isGone || !a.reaches(b)) {
      this.#host.handle(a, { type: 'dial-failed', peer: b.name });
      return;
    }
    if (a.links.has(b.name) || b.links.has(a.name)) return;
    const there = new LinkEnd(a, b, rttMs, new TcpPipe(this.#network, rttMs, this.#rng));
    const back = new LinkEnd(b, a, rttMs, new TcpPipe(this.#network, rttMs, this.#rng));
    there.back = back;
    back.back = there;
    a.links.set(b.name, there);
    b.links.set(a.name, back);
    // Named right behind HELLO (`NodeSwarm.linkGreeted`).
    const named = a.group.role === 'peer' && !a.have.isFull ? [ASSET] : [];
    this.#later(rttMs / 2, () => this.#greet(there, { named }));
    this.#greet(back, { isAccepted: true });
    if (named.length > 0) this.#host.name(there);
  }

  #greet(end: LinkEnd, greeted: { named?: readonly AssetKey[]; isAccepted?: boolean }): void {
    if (!end.isUp) return;
    const peer = end.to.name;
    this.#host.handle(end.from, { type: 'connected', peer, ...greeted });
    this.#host.handle(end.from, { type: 'reachable', peer, addresses: end.to.addresses });
    this.#later(this.#network.rttLateMs, () => this.#measure(end));
  }

  #measure(end: LinkEnd): void {
    if (!end.isUp) return;
    if (end.blockedAtMs === undefined) {
      const error = 1 + this.#network.rttError * (2 * this.#rng() - 1);
      const rttMs = end.rttMs * error + this.#waitMs(end) + this.#waitMs(end.back);
      this.#host.handle(end.from, { type: 'rtt', peer: end.to.name, rttMs });
      if (this.#network.rttError === 0 && this.#network.uplink === 'fifo') return;
    }
    this.#later(PING_MS, () => this.#measure(end));
  }

  /** The node gives a link up; the other end hears of it. */
  hangUp(node: SimNode, peer: PeerKey): void {
    const end = node.links.get(peer);
    if (!end) return;
    node.links.delete(peer);
    end.isUp = false;
    // The core has forgotten the peer already; `gone` for one it does not know changes nothing.
    if (end.blockedAtMs === undefined) this.#later(end.rttMs / 2, () => this.lose(end.back));
  }

  /** The link is down at this end. */
  lose(end: LinkEnd): void {
    if (!end.isUp) return;
    end.from.links.delete(end.to.name);
    end.isUp = false;
    this.#host.handle(end.from, { type: 'gone', peer: end.to.name });
    this.#host.pump(end.from);
  }

  /** The parts of the network changed: the link's path ends, or comes back. */
  reconsider(end: LinkEnd): void {
    const isOpen = end.from.reaches(end.to);
    if (isOpen === (end.blockedAtMs === undefined)) return;
    if (!isOpen) {
      const sinceMs = this.#wheel.nowMs;
      end.blockedAtMs = sinceMs;
      this.#later(SILENCE_MS, () => {
        if (end.blockedAtMs === sinceMs) this.lose(end);
      });
      return;
    }
    const forMs = this.#wheel.nowMs - (end.blockedAtMs as number);
    end.blockedAtMs = undefined;
    const messages = end.stalled;
    end.stalled = [];
    const atMs = end.pipe.stalled(this.#wheel.nowMs, forMs);
    for (const message of messages) this.#host.deliver(end, message, atMs);
    for (const comeIn of end.lost.splice(0)) this.#wheel.at(atMs, comeIn);
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

  /** How long a ping would wait behind what its link's socket holds, while all links share the uplink. */
  #waitMs(end: LinkEnd): number {
    if (this.#network.uplink === 'fifo') return 0;
    const inSocketMs = (end.queuedBytes * Math.max(1, end.from.uplink.links) * 8000) / end.from.group.up;
    return Math.max(inSocketMs, this.queueMs(end.from));
  }

  /** How long what leaves a node now stands behind its chunks, where its links share the uplink. */
  queueMs(node: SimNode): number {
    if (this.#network.queueMs === 0) return 0;
    return Math.min(this.#network.queueMs, (node.uplink.queuedBytes * 8000) / node.group.up);
  }

  #later(ms: number, run: () => void): void {
    this.#wheel.at(this.#wheel.nowMs + ms, run);
  }
}
