import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { Exchange } from '../swarm/core/exchange.ts';
import type { Message, PeerKey } from '../swarm/core/messages.ts';
import type { Rng } from '../swarm/core/rng.ts';
import { SocketWindow } from '../swarm/core/socket-window.ts';
import { SocketsWindow } from '../swarm/core/sockets-window.ts';
import type { PeerOutcome } from './outcome.ts';
import type { Group } from './scenario.ts';
import type { TcpPipe } from './tcp-pipe.ts';
import type { InSocket, Uplink } from './uplink.ts';

/** The one asset of a simulated world. */
export const ASSET = 0;

/** One end of a link, and the way from it to the other. */
export class LinkEnd {
  readonly from: SimNode;
  readonly to: SimNode;
  readonly rttMs: number;
  readonly pipe: TcpPipe;
  back!: LinkEnd;
  /** Whether this end still knows of the link: it is among its node's. */
  isUp = true;
  /** What is in this link's socket, where all links share the uplink. */
  readonly socket: InSocket[] = [];
  #window: SocketWindow | undefined;
  /** Bytes of chunks that wait in the socket, or where there are none, before the uplink. */
  queuedBytes = 0;
  /** What a cheat claims to itself to have sent. */
  pretendedBytes = 0;
  /** When the last packet with messages left. */
  packetAtMs = -Infinity;
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

  /** How much may be in the socket: made when it is asked for, as a large crowd has a million links and no sockets. */
  get window(): SocketWindow {
    return (this.#window ??= new SocketWindow());
  }
}

/** What a {@link SimNode} is made of. */
export interface SimNodeParts {
  /** Its place among the nodes of the world. */
  index: number;
  name: PeerKey;
  group: Group;
  outcome: PeerOutcome;
  /** The core's own. */
  have: Bitfield;
  uplink: Uplink;
  exchange: Exchange;
  rng: Rng;
}

/** A node of a simulated world: the real core, with a model of its links, its disk and its character around it. */
export class SimNode {
  readonly index: number;
  readonly name: PeerKey;
  /** Where it says that it is. */
  readonly addresses: readonly string[];
  readonly group: Group;
  readonly outcome: PeerOutcome;
  readonly rng: Rng;
  readonly have: Bitfield;
  readonly exchange: Exchange;
  readonly uplink: Uplink;
  readonly links = new Map<PeerKey, LinkEnd>();
  /** How much may lie in the sockets of all links, where these share the uplink. */
  readonly sockets = new SocketsWindow();
  /** Part of the network it can reach; −1: none. */
  zone = 0;
  isGone = false;
  downFreeAtMs = 0;
  /** Bytes of chunks that are on their way to the downlink, or wait before it. */
  downBytes = 0;
  /** Those whose chunks for this node wait until there is room for more of them. */
  readonly heldBack = new Set<SimNode>();
  diskFreeAtMs = 0;
  wakeAtMs = Infinity;

  constructor({ index, name, group, outcome, have, uplink, exchange, rng }: SimNodeParts) {
    this.index = index;
    this.name = name;
    // As long as an address with a peer id on the wire is: it counts as control.
    this.addresses = [`/ip4/10.0.0.0/tcp/40000/p2p/${name.padEnd(52, '.')}`];
    this.group = group;
    this.outcome = outcome;
    this.have = have;
    this.uplink = uplink;
    this.exchange = exchange;
    this.rng = rng;
  }

  reaches(other: SimNode): boolean {
    return this.zone === other.zone && this.zone >= 0;
  }
}
