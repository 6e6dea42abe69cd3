import type { Bitfield } from '../swarm/core/bitfield.ts';
import { Exchange } from '../swarm/core/exchange.ts';
import type { ExchangeConfig } from '../swarm/core/exchange-config.ts';
import type { Message, PeerKey } from '../swarm/core/messages.ts';
import type { Rng } from '../swarm/core/rng.ts';
import type { PeerOutcome } from './outcome.ts';
import type { Group } from './scenario.ts';
import type { TcpPipe } from './tcp-pipe.ts';

/** A chunk on its way out. */
export interface Job {
  readonly end: LinkEnd;
  readonly chunk: number;
  readonly bytes: number;
  /** Nobody has the chunk yet. */
  readonly first: boolean;
  /** Part of it is in the socket, or on its way there: it is sent to the end. */
  hasBegun: boolean;
  sentBytes: number;
  /** Messages that were written to its socket after it, and go out behind it. */
  readonly followers: Message[];
}

/** One end of a link, and the way from it to the other. */
export class LinkEnd {
  readonly from: SimNode;
  readonly to: SimNode;
  readonly rttMs: number;
  readonly pipe: TcpPipe;
  back!: LinkEnd;
  /** Chunks in this link's socket, where all links share the uplink. */
  readonly jobs: Job[] = [];
  queuedBytes = 0;
  /** What a cheat claims to itself to have sent. */
  pretendedBytes = 0;
  /** Messages that wait for the path to come back. */
  stalled: Message[] = [];
  /** Pieces that were on their way when it went: each comes in anew. */
  readonly lost: (() => void)[] = [];
  /** Since when the two do not reach each other. */
  blockedAtMs: number | undefined;

  constructor(from: SimNode, to: SimNode, rttMs: number, pipe: TcpPipe) {
    this.from = from;
    this.to = to;
    this.rttMs = rttMs;
    this.pipe = pipe;
  }

  /** Whether this end still knows of the link. */
  get isUp(): boolean {
    return this.from.links.get(this.to.name) === this;
  }
}

/** The sending side of a node: chunks in its sockets, or waiting for them. */
export class Uplink {
  /** All chunks, first come first served. */
  readonly fifo: Job[] = [];
  /** Links with chunks, in turn. */
  readonly ring: LinkEnd[] = [];
  isSending = false;
  freeAtMs = 0;
}

/** A node of a simulated world: the real core, with a model of its links, its disk and its character around it. */
export class SimNode {
  readonly index: number;
  readonly name: PeerKey;
  readonly group: Group;
  readonly outcome: PeerOutcome;
  readonly rng: Rng;
  readonly have: Bitfield;
  readonly exchange: Exchange;
  readonly links = new Map<PeerKey, LinkEnd>();
  readonly uplink = new Uplink();
  /** Part of the network it can reach; −1: none. */
  zone = 0;
  isGone = false;
  downFreeAtMs = 0;
  diskFreeAtMs = 0;
  wakeAtMs = Infinity;

  constructor(
    index: number,
    name: PeerKey,
    group: Group,
    outcome: PeerOutcome,
    have: Bitfield,
    config: ExchangeConfig,
    rng: Rng,
  ) {
    this.index = index;
    this.name = name;
    this.group = group;
    this.outcome = outcome;
    this.have = have;
    this.rng = rng;
    this.exchange = new Exchange({ self: name, ...config }, rng);
  }

  reaches(other: SimNode): boolean {
    return this.zone === other.zone && this.zone >= 0;
  }
}
