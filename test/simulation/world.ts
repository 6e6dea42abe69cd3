import { Bitfield } from '../../src/swarm/core/bitfield.ts';
import { Exchange } from '../../src/swarm/core/exchange.ts';
import type { ExchangeConfig } from '../../src/swarm/core/exchange-config.ts';
import type { Action, Event } from '../../src/swarm/core/events.ts';
import type { Message, PeerKey } from '../../src/swarm/core/messages.ts';
import { seededRng, type Rng } from '../../src/swarm/core/rng.ts';
import { EventQueue } from '../../src/simulator/event-queue.ts';

/** The one asset of a simulated world. */
export const ASSET = 1;

export interface WorldOptions {
  seed: number;
  chunks: number;
  chunkBytes: number;
  /** Round trip of a pair of nodes, ms. Default: uniform 20 to 150, drawn once for each pair. */
  rttMs?: number;
  /** Messages wait behind all data their sender has queued, as where one socket buffer takes both. */
  controlWaits?: boolean;
  /** A chunk arrives in pieces of so many bytes. Default: in one. */
  pieceBytes?: number;
}

export interface NodeOptions {
  name: string;
  /** Bits per second. */
  up: number;
  down: number;
  /** Holds everything at the start and published it. */
  isOrigin?: boolean;
  /** Holds everything at the start. */
  isSeed?: boolean;
  wanted?: 'all' | 'none';
  /** Never grants: everything it would grant or send is swallowed. */
  isFreeRider?: boolean;
  /** Every chunk it sends is wrong. */
  isLiar?: boolean;
  /** Leaves as soon as it is complete. */
  leaves?: boolean;
  config?: ExchangeConfig;
}

/** A node: the real core, with a fluid uplink and downlink around it. */
export class SimNode {
  readonly options: NodeOptions;
  readonly exchange: Exchange;
  readonly have: Bitfield;
  readonly links = new Set<PeerKey>();
  isDead = false;
  completedAtMs: number | undefined;
  uploadedBytes = 0;
  sentMessages = 0;
  readonly misbehaved: { peer: PeerKey; code: string }[] = [];
  uploads: { peer: PeerKey; chunk: number }[] = [];
  isSending = false;
  downFreeAtMs = 0;
  wakeAtMs = Infinity;

  constructor(options: NodeOptions, have: Bitfield, rng: Rng) {
    this.options = options;
    this.have = have;
    this.exchange = new Exchange({ self: options.name, ...options.config }, rng);
  }

  get name(): PeerKey {
    return this.options.name;
  }
}

/**
 * A small discrete-event world: uplinks send whole chunks one after another, in the order of the core's upload
 * actions; downlinks queue; messages take half a round trip. Loss, TCP's ramp, disks and CPUs are not modelled.
 */
export class World {
  nowMs = 0;
  readonly nodes = new Map<PeerKey, SimNode>();
  readonly sizes: Uint32Array;
  /** Hash over all actions in their order: two runs are the same where it is. */
  traceHash = 0;
  readonly #options: WorldOptions;
  readonly #queue = new EventQueue();
  readonly #rng: Rng;
  readonly #rtts = new Map<string, number>();
  /** Called with each action, before it is carried out. */
  onAction: ((node: SimNode, action: Action) => void) | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#rng = seededRng(options.seed);
    this.sizes = new Uint32Array(options.chunks).fill(options.chunkBytes);
  }

  get fileBytes(): number {
    return this.#options.chunks * this.#options.chunkBytes;
  }

  add(options: NodeOptions): SimNode {
    const isFull = options.isOrigin || options.isSeed;
    const have = isFull ? Bitfield.full(this.sizes.length) : new Bitfield(this.sizes.length);
    const node = new SimNode(options, have, seededRng(Math.floor(this.#rng() * 2 ** 32)));
    this.nodes.set(node.name, node);
    this.handle(node, {
      type: 'asset-added',
      asset: ASSET,
      sizes: this.sizes,
      have,
      origin: options.isOrigin ?? false,
      wanted: options.wanted ?? (isFull ? 'none' : 'all'),
    });
    return node;
  }

  /** Links every node with every other. */
  connectAll(): void {
    const all = [...this.nodes.values()];
    all.forEach((a, i) => all.slice(i + 1).forEach((b) => this.connect(a, b)));
  }

  connect(a: SimNode, b: SimNode): void {
    if (a.isDead || b.isDead || a.links.has(b.name) || b.links.has(a.name)) return;
    a.links.add(b.name);
    b.links.add(a.name);
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const rttMs = this.rtt(a.name, b.name);
      this.handle(node, { type: 'connected', peer: other.name });
      this.handle(node, { type: 'rtt', peer: other.name, rttMs });
      this.handle(node, { type: 'reachable', peer: other.name, addresses: [`/sim/${other.name}`] });
    }
  }

  /** `a` hangs up. */
  disconnect(a: SimNode, b: SimNode): void {
    if (!a.links.delete(b.name)) return;
    this.handle(a, { type: 'gone', peer: b.name });
    this.#endLink(a, b);
  }

  /** The node is gone from one moment to the next; what has left its uplink still arrives. */
  kill(node: SimNode): void {
    node.isDead = true;
    for (const name of node.links) this.#endLink(node, this.#node(name));
    node.links.clear();
  }

  /** The other end notices after half a round trip, behind the data on its way. */
  #endLink(from: SimNode, to: SimNode): void {
    this.#later(this.rtt(from.name, to.name) / 2, () => {
      this.at(Math.max(this.nowMs, to.downFreeAtMs), () => {
        if (to.links.delete(from.name)) this.handle(to, { type: 'gone', peer: from.name });
      });
    });
  }

  rtt(a: PeerKey, b: PeerKey): number {
    if (this.#options.rttMs !== undefined) return this.#options.rttMs;
    const pair = a < b ? `${a} ${b}` : `${b} ${a}`;
    let rtt = this.#rtts.get(pair);
    if (rtt === undefined) this.#rtts.set(pair, (rtt = 20 + 130 * this.#rng()));
    return rtt;
  }

  /** Runs until the condition holds, or nothing is left to happen before `untilMs`. */
  run(untilMs: number, isDone: () => boolean = () => false): void {
    while (!isDone()) {
      const next = this.#queue.peekMs();
      if (next === undefined || next > untilMs) {
        this.nowMs = Math.max(this.nowMs, Math.min(untilMs, next ?? untilMs));
        return;
      }
      this.nowMs = next;
      this.#queue.pop()?.();
    }
  }

  at(ms: number, action: () => void): void {
    this.#queue.push(ms, action);
  }

  handle(node: SimNode, event: Event): void {
    if (node.isDead) return;
    node.exchange.handle(this.nowMs, event);
    for (let action = node.exchange.poll(); action; action = node.exchange.poll()) {
      this.#trace(node, action);
      this.onAction?.(node, action);
      this.#carryOut(node, action);
    }
    const wakeAtMs = node.exchange.nextWakeMs() ?? Infinity;
    if (wakeAtMs >= node.wakeAtMs) return;
    node.wakeAtMs = wakeAtMs;
    this.#queue.push(wakeAtMs, () => {
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
        node.uploads.push({ peer: action.peer, chunk: action.chunk });
        return this.#sendNext(node);
      case 'cancel-upload': {
        const at = node.uploads.findIndex((u) => u.peer === action.peer && u.chunk === action.chunk);
        if (at >= (node.isSending ? 1 : 0)) node.uploads.splice(at, 1);
        return;
      }
      case 'dial':
        return this.#dial(node, action.contact.peer);
      case 'misbehaved':
        node.misbehaved.push({ peer: action.peer, code: action.code });
        return this.#hangUp(node, action.peer);
      case 'close':
        return this.#hangUp(node, action.peer);
      case 'complete':
        node.completedAtMs ??= this.nowMs;
        if (node.options.leaves) this.#later(0, () => this.kill(node));
    }
  }

  #send(node: SimNode, to: PeerKey, message: Message): void {
    if (!node.links.has(to)) return;
    if (node.options.isFreeRider && message.type === 'grant') return;
    node.sentMessages++;
    this.#later(this.rtt(node.name, to) / 2 + this.#waitMs(node), () => {
      if (node.links.has(to)) this.handle(this.#node(to), { type: 'message', peer: node.name, message });
    });
  }

  #waitMs(node: SimNode): number {
    if (!this.#options.controlWaits) return 0;
    let bytes = 0;
    for (const { chunk } of node.uploads) bytes += this.sizes[chunk] as number;
    return (bytes * 8000) / node.options.up;
  }

  /** The uplink: one whole chunk after another. */
  #sendNext(node: SimNode): void {
    if (node.isSending) return;
    while (node.uploads[0] && !node.links.has(node.uploads[0].peer)) node.uploads.shift();
    const upload = node.uploads[0];
    if (!upload || node.isDead) return;
    node.isSending = true;
    const bytes = this.sizes[upload.chunk] as number;
    const pieceBytes = this.#options.pieceBytes ?? bytes;
    for (let end = pieceBytes; end - pieceBytes < bytes; end += pieceBytes) {
      const sentBytes = Math.min(end, bytes);
      const size = sentBytes - (end - pieceBytes);
      const tookMs = (sentBytes * 8000) / node.options.up;
      this.#later(tookMs, () => this.#piece(node, upload, size, sentBytes === bytes));
    }
    this.#later((bytes * 8000) / node.options.up, () => {
      node.uploadedBytes += bytes;
      node.isSending = false;
      node.uploads.shift();
      this.#sendNext(node);
    });
  }

  /** The piece has left the uplink; it takes half a round trip, and its turn on the downlink. */
  #piece(
    from: SimNode,
    { peer, chunk }: { peer: PeerKey; chunk: number },
    bytes: number,
    last: boolean,
  ): void {
    if (from.isDead || !from.links.has(peer)) return;
    const to = this.#node(peer);
    const tookMs = (bytes * 8000) / to.options.down;
    const arrivesMs = this.nowMs + this.rtt(from.name, peer) / 2;
    to.downFreeAtMs = Math.max(to.downFreeAtMs + tookMs, arrivesMs);
    this.#queue.push(to.downFreeAtMs, () => {
      if (to.isDead || !to.links.has(from.name)) return;
      const isKept = to.exchange.keeps(from.name, ASSET, chunk);
      this.handle(to, { type: 'data', peer: from.name, asset: ASSET, chunk, bytes, last });
      if (!last || !isKept) return;
      const outcome = from.options.isLiar ? 'corrupt' : 'verified';
      this.#later(0, () => this.handle(to, { type: outcome, peer: from.name, asset: ASSET, chunk }));
    });
  }

  #dial(node: SimNode, peer: PeerKey): void {
    this.#later(this.rtt(node.name, peer), () => {
      const other = this.nodes.get(peer);
      if (!other || other.isDead) this.handle(node, { type: 'dial-failed', peer });
      else this.connect(node, other);
    });
  }

  #hangUp(node: SimNode, peer: PeerKey): void {
    const other = this.nodes.get(peer);
    if (other) this.#later(0, () => this.disconnect(node, other));
  }

  #later(ms: number, action: () => void): void {
    this.#queue.push(this.nowMs + ms, action);
  }

  #node(name: PeerKey): SimNode {
    return this.nodes.get(name) as SimNode;
  }

  #trace(node: SimNode, action: Action): void {
    let hash = this.traceHash;
    for (const char of `${this.nowMs} ${node.name} ${action.type} ${'peer' in action ? action.peer : ''}`) {
      hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
    }
    if (action.type === 'upload') hash = (Math.imul(hash, 31) + action.chunk) | 0;
    this.traceHash = hash;
  }
}
