import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import type { Bitfield } from './bitfield.ts';
import {
  ASK_AGAIN_MS,
  ASK_BURST,
  MAX_LEASE_MS,
  MAX_RTT_MS,
  MIN_LEASE_MS,
  UNKNOWN_RTT_MS,
} from './constants.ts';
import { DeliveryRate } from './delivery-rate.ts';
import type { AssetKey, PeerKey } from './messages.ts';
import { isSpent, type Throttle } from './rate-limits.ts';
import { PeerClock } from './peer-clock.ts';
import { RecentLeast } from './recent-least.ts';
import { Conduct, type PastConduct } from './scoring.ts';
import type { Waiting } from './upload-line.ts';
import { UploadQueue } from './upload-queue.ts';

/**
 * Round trips, and what is usual of others, are the smallest of the last one to two of these.
 * Pings wait behind this node's own data and the peer's, so while a link is busy they tell of queues, not of the way.
 * What is taken for the round trip makes the look-ahead, and that the queue: with a window of 10 s a crowd on one
 * switch believed in round trips of half a second. A way that has become longer is noticed by `UplinkWait` first.
 */
const RTT_WINDOW_MS = 150_000;

/** Weight of an answer to credit that came sooner than those before. */
const ANSWER_SMOOTHING = 1 / 8;

/** What this node knows of a peer in one asset's swarm. What is read of every neighbour for each grant comes first. */
export interface Membership {
  readonly peer: Peer;
  readonly swarm: AssetSwarm;
  /** What the peer has; undefined until it joined. */
  have: Bitfield | undefined;
  /** Chunks I have and it lacks; what it was not told yet it is told before the next grant. */
  lacks: number;
  /** It has had no news for so long that it seems to find what it lacks with nobody else. */
  isStuck: boolean;
  /** My JOIN is out: from now on it gets every HAVE. */
  isTold: boolean;
  /** So many of the swarm's news it has been told. */
  newsRead: number;
  /** It announced ALL at once: such peers are not counted in the availability, where they would add one everywhere. */
  isSeed: boolean;
  /** I have announced more since, which it did not get, as it had not joined. */
  isStale: boolean;
  /** What I have changed other than by a gain, and it was told anew: from now on it is told also of what it sent itself. */
  isRestated: boolean;
  /** It may believe that a chunk is here which is not, as it came and was not kept, or cannot be read: it is to be told anew. */
  isMistaken: boolean;
  /** When it last joined, or announced a chunk that I did not send it. */
  newsAtMs: number;
  /** When it last gave me credit that pays for any chunk of the asset. */
  creditAtMs: number;
  /** Until then it has no room for the asset: it declined credit that was good for that alone. */
  busyUntilMs: number;
  /** The version of the members it last got contacts of, and when. */
  contactsVersion: number;
  contactsAtMs: number;
}

/** How often a peer did what is done now and then only, in one asset's swarm. */
export interface Pace {
  /** When its last JOIN came that was not counted. */
  freeJoinAtMs: number;
  /** When its contacts were last heeded. */
  peersAtMs: number;
  /** When it is asked again as it left, or was passed over; Infinity: it is not. And how long that wait is the next time. */
  askAtMs: number;
  askWaitMs: number;
  /** It joined, and was passed over: it is asked though nothing may be wanted of it. */
  isPassedOver: boolean;
  /** When it was asked as others said that it shares what is only served here. */
  askedAtMs: number;
}

/** Whether this node gives the peer credit for what it lacks of the asset now, as far as the asset goes. */
export function isServed({ swarm, isStuck }: Membership): boolean {
  return (!swarm.isOffloaded || isStuck) && !isSpent(swarm.throttle.upload);
}

/** Credit given to a peer. */
export interface Grant {
  readonly id: number;
  /** Bytes not spent yet. */
  left: number;
  isSpent: boolean;
  readonly sentAtMs: number;
  readonly expiresAtMs: number;
  /** The only asset it can be spent on; undefined: any. */
  readonly only: AssetSwarm | undefined;
  /** Chunks offered with it, until they are asked for. */
  offer: { swarm: AssetSwarm; chunks: Set<number> } | undefined;
}

/** Data of a request that was given up may still come. */
export interface Tombstone {
  left: number;
  /** How often the chunk's end may come: once for each request that was given up. */
  ends: number;
  /** When it was given up, or some of it last came. */
  sinceMs: number;
  /** Its reject has come. */
  isRejected?: boolean;
  /** A later request for the chunk was answered, and so not taken back: the peer may believe that the chunk is here. */
  isAnswered?: boolean;
}

/** What is remembered of a peer that left, so that reconnecting wipes neither a debt nor a merit. */
export interface PastLedger {
  sentBytes: number;
  receivedBytes: number;
  lapses: number;
  joinAllowance: number;
  joinAllowanceAtMs: number;
  conduct: PastConduct;
}

/** One neighbour: a link with its ledger, over all assets. */
export class Peer {
  readonly key: PeerKey;
  // Read of every neighbour for each grant, and close together in memory.
  readonly memberships = new Map<AssetKey, Membership>();
  /** It said BYE, or lied: nothing more is given to or asked of it. */
  isLeaving = false;
  /** It acknowledges nothing of what is under way to it: its way seems to be interrupted. */
  isStuck = false;
  /** It left a grant lying and said nothing since that was sent: its way is interrupted, and credit for it lost. */
  isMute = false;
  /** Chunks it has credit for, or has asked for and not acknowledged: grants, and what waits or is on its way. */
  promised = 0;
  /** Bytes granted to it or asked for by it, and not acknowledged. */
  committedBytes = 0;
  /** Bytes granted to it and not spent. */
  grantedBytes = 0;
  /** Bytes it asked me for, ever, but for what came to nothing before it left. */
  sentBytes: number;
  /** Verified bytes it sent me, ever, that I had asked for. */
  receivedBytes: number;
  /** How often in a row it has declined for want of a wish. */
  declines = 0;
  declinedUntilMs = 0;
  /** What it said it can take at once, by declining more; grows with what it acknowledges. */
  windowBytes = Infinity;
  readonly throttle: Throttle = { upload: undefined, download: undefined };
  /** Smallest round trip of the last minutes. */
  rttMs = UNKNOWN_RTT_MS;
  requestedBytes = 0;

  /** Multiaddrs others can dial it at. */
  addresses: readonly string[] = [];
  readonly connectedAtMs: number;
  /** For so long this process had stood still by then. */
  pausedBeforeMs = 0;

  readonly grants = new Map<number, Grant>();
  /** Grants whose lease ran out, with what was left of them: a request for one is late, not a lie. */
  readonly expiredGrants = new Map<number, Grant>();
  /** When it last said or sent anything. */
  heardAtMs = 0;
  nextGrantId = 1;
  /** Number, over all peers, of the last grant it got. */
  lastGrant = 0;
  readonly conduct: Conduct;
  joinAllowance: number;
  joinAllowanceAtMs: number;
  /** How often I may still tell it at once that my wishes changed. */
  askAllowance = ASK_BURST;
  askAllowanceAtMs = 0;
  /** Assets that were named on the link before it was up: the peer's JOIN is answered, whatever is wanted by then. */
  readonly owed = new Set<AssetKey>();
  /** When what it has not named itself is named to it. */
  greetAtMs = Infinity;
  /** By asset: what outlives a LEAVE. No more than the assets of this node. */
  readonly paces = new Map<AssetKey, Pace>();

  /** What it asked for and is not on its way yet, see {@link UploadLine}. */
  readonly waiting = new Map<number, Waiting>();
  readonly uploads = new UploadQueue();
  readonly clock = new PeerClock();
  readonly deliveryRate = new DeliveryRate();
  lastAckAtMs = 0;

  /** What I asked it for and has not come in full, oldest first. */
  readonly requests = new Map<number, ChunkRequest>();
  readonly tombstones = new Map<number, Tombstone>();
  /** When a request was last given up, or something of one last came. */
  takenBackAtMs = -Infinity;
  /** How much may be asked of it at once: grows with what it delivers, halves when it does not. */
  trustBytes = 0;
  /** Requests to it that were given up since it last delivered. */
  lapses: number;
  /** I declined credit of it as I wanted nothing; and when I last told it that I do again. */
  isDeclined = false;
  remindedAtMs = -Infinity;
  payloadBytes = 0;
  ackedPayloadBytes = 0;
  /** Smoothed: how long a request takes, and how fast it serves. 0: unknown. */
  serviceMs = 0;
  serviceBytesPerSec = 0;
  lastServedAtMs = 0;
  /** When data last came, and when the oldest request was made of which some came since the last look at deadlines. */
  lastDataAtMs = 0;
  servingSinceMs = Infinity;

  /** What the last ping took, with all that stood before it: this node's own chunks, and the peer's. */
  lastRttMs = 0;
  /** How long it takes to answer a grant: the longest, forgotten bit by bit. */
  #answerMs = 0;
  readonly #rtt = new RecentLeast(RTT_WINDOW_MS);
  /** From handing out a chunk to the first acknowledgement of it. */
  readonly #firstAck = new RecentLeast(RTT_WINDOW_MS);

  constructor(key: PeerKey, nowMs: number, joinBurst: number, past?: PastLedger) {
    this.key = key;
    this.connectedAtMs = nowMs;
    this.joinAllowance = past?.joinAllowance ?? joinBurst;
    this.joinAllowanceAtMs = past?.joinAllowanceAtMs ?? nowMs;
    this.sentBytes = past?.sentBytes ?? 0;
    this.receivedBytes = past?.receivedBytes ?? 0;
    this.lapses = past?.lapses ?? 0;
    this.conduct = new Conduct(nowMs, past?.conduct);
  }

  /** The pace of the peer in an asset's swarm, made where there is none. */
  paceOf(asset: AssetKey): Pace {
    let pace = this.paces.get(asset);
    if (!pace) {
      pace = {
        freeJoinAtMs: -Infinity,
        peersAtMs: -Infinity,
        askAtMs: Infinity,
        askWaitMs: ASK_AGAIN_MS,
        isPassedOver: false,
        askedAtMs: -Infinity,
      };
      this.paces.set(asset, pace);
    }
    return pace;
  }

  measured(nowMs: number, rttMs: number): void {
    this.lastRttMs = Math.max(0, rttMs);
    this.#rtt.note(nowMs, this.lastRttMs);
    this.rttMs = Math.min(this.#rtt.value, MAX_RTT_MS);
  }

  /** The first of a chunk was acknowledged. @returns how long it waited before it left */
  waited(nowMs: number, tookMs: number): number {
    this.#firstAck.note(nowMs, tookMs);
    return tookMs - this.#firstAck.value;
  }

  /** It used credit, or gave it back, so long after it was given. */
  answered(tookMs: number): void {
    const share = tookMs > this.#answerMs ? 1 : ANSWER_SMOOTHING;
    this.#answerMs += share * (tookMs - this.#answerMs);
  }

  /** How long its grants are good for. */
  get leaseMs(): number {
    return Math.min(MAX_LEASE_MS, Math.max(MIN_LEASE_MS, 4 * this.rttMs, 2 * this.#answerMs));
  }

  /** Chunks I hold and give that it lacks, less those on their way and those it has credit for. */
  get servable(): number {
    let lacks = 0;
    for (const membership of this.memberships.values()) {
      if (isServed(membership)) lacks += membership.lacks;
    }
    return lacks - this.promised;
  }

  /**
   * Share of what we share that it has, counting what I have granted it or is on its way: 0 to 1. Without the
   * latter all would serve the same laggard at once, and queue at its downlink.
   *
   * @param alike so many nodes, this one among them, are taken to give it as much
   */
  progress(alike = 1): number {
    let have = alike * this.promised;
    let size = 0;
    for (const { have: theirs } of this.memberships.values()) {
      if (!theirs) continue;
      have += theirs.count;
      size += theirs.size;
    }
    return size === 0 ? 1 : have / size;
  }
}
