import type { AssetSwarm } from './asset-swarm.ts';
import {
  DECLINE_MS,
  LEASE_SLACK_MS,
  LONGEST_DECLINE_MS,
  LOOK_AHEAD_MARGIN_MS,
  MAX_OFFER,
  MIN_GRANT_BYTES,
  NEXT_MS,
  OFFLOAD_STUCK_MS,
  OPEN_GRANT_CHANCE,
} from './constants.ts';
import type { Core } from './core.ts';
import { DeliveryRate } from './delivery-rate.ts';
import {
  grantBytesFor,
  isComplete,
  isKeeping,
  isRider,
  isWindowFull,
  lagOf,
  originSwarm,
  soleAsset,
  swarmsWithTakers,
} from './grant-terms.ts';
import type { Message } from './messages.ts';
import { OriginWatch } from './origin-watch.ts';
import { TimeLeft } from './time-left.ts';
import { UplinkWait } from './uplink-wait.ts';
import type { Acked } from './upload-queue.ts';
import type { Grant, Peer } from './peer.ts';
import {
  compareRanks,
  hasGiftBudget,
  rankAtOrigin,
  rankInFleet,
  rankWhenComplete,
  rankWhileLeeching,
  type Rank,
} from './ranking.ts';
import { isSpent } from './rate-limits.ts';

/** The rate of the uplink is taken over so long. */
const SAMPLE_MS = 250;

/** What is known of the peers together is looked up this often. */
const REFRESH_MS = 100;

/**
 * What waits for the uplink is no more than it delivers in this share of the time that the neighbours still need. (Half of it, and a
 * chunk more: equal uplinks at N = 10 1.047 in place of 1.052, but mixed ones 1.25 in place of 1.21 where they share their
 * sockets' windows, as real ones do, and 1.10 in place of 1.08 at N = 100.)
 */
const QUEUE_SHARE = 0.1;

/** What comes too late may use so many look-aheads, with what was given in its place. */
const LATE_LOOK_AHEADS = 2;

/** Expired grants remembered for each peer: as many as the largest look-ahead holds. */
const EXPIRED_KEPT = 1024;

/** Hands out credit: to whom, how much at once, and what becomes of credit that is not used. */
export class Granting {
  /** Of the whole uplink. */
  readonly rate = new DeliveryRate(SAMPLE_MS);
  readonly #wait = new UplinkWait();
  readonly #timeLeft = new TimeLeft();
  /** There was room in the look-ahead and nobody to grant to. */
  isStarved = false;
  /** Somebody waits for a limit: being starved means nothing then. */
  isThrottled = false;
  /** When a peer that declined may be granted again, where somebody waits for that; else Infinity. */
  retryAtMs = Infinity;
  readonly #core: Core;
  readonly #origin: OriginWatch;
  readonly #announce: (peer: Peer) => void;
  #grants = 0;
  /** Of those while it downloaded: all, and gifts. Who downloads nothing is given nothing, so that all would be gifts. */
  #leechingGrants = 0;
  #gifts = 0;
  /** The longest round trip among the peers that could be served, and how many of them are complete. */
  #maxRttMs = 0;
  #completePeers = 0;
  /** What a peer gave on average, of those who gave anything. */
  #usualBytes = 0;
  #refreshedAtMs = -Infinity;

  /** @param announce tells a peer what it was not told yet */
  constructor(core: Core, announce: (peer: Peer) => void) {
    this.#core = core;
    this.#origin = new OriginWatch(core);
    this.#announce = announce;
  }

  /** Grants until the look-ahead is full or nobody is left. */
  fill(): void {
    this.retryAtMs = Infinity;
    const target = this.lookAheadBytes();
    this.isStarved = false;
    this.isThrottled = false;
    this.#refillLimits();
    while (this.#core.committedBytes - this.#core.stuckBytes < target) {
      const peer = this.#choose();
      if (!peer) {
        this.isStarved = true;
        return this.#awaitLimits();
      }
      this.#grant(peer);
    }
  }

  #refillLimits(): void {
    const { assets, peers, settings, nowMs } = this.#core;
    for (const { throttle } of assets.values()) throttle.upload?.refill(nowMs);
    if (settings.perPeer?.uploadBytesPerSec === undefined) return;
    for (const { throttle } of peers.values()) throttle.upload?.refill(nowMs);
  }

  /** Comes back when the first of the limits that hold something back lets more through. */
  #awaitLimits(): void {
    for (const peer of this.#core.peers.values()) {
      for (const { swarm, lacks } of peer.memberships.values()) {
        if (lacks <= 0) continue;
        for (const limit of [swarm.throttle.upload, peer.throttle.upload]) {
          if (!limit || !isSpent(limit)) continue;
          this.isThrottled = true;
          this.retryAtMs = Math.min(this.retryAtMs, limit.opensAtMs);
        }
      }
    }
  }

  /**
   * How many bytes may be granted or under way: what the uplink delivers while a grant becomes a request,
   * data and an acknowledgement (two round trips), with a margin, and one block to round up; longer where the uplink
   * was seen to idle, but not near the end, when the last chunks would wait in the queue. Too little leaves the uplink
   * idle, too much only queues.
   */
  lookAheadBytes(): number {
    const { settings } = this.#core;
    const block = this.#blockBytes;
    this.#refresh();
    const loopMs = 2 * this.#maxRttMs + LOOK_AHEAD_MARGIN_MS;
    const queueMs = Math.max(loopMs, QUEUE_SHARE * this.#timeLeft.ms);
    const aheadMs = Math.min(this.#wait.boost * loopMs, queueMs);
    const rate = Math.min(this.rate.gain * this.rate.bytesPerSec, settings.uploadBytesPerSec ?? Infinity);
    // The first samples are of connections that are slow to start: what was allowed without them is allowed still.
    // A peer that is alone with this node has the whole uplink, and nobody who would wait behind it.
    const share = this.#core.peers.size === 1 ? 2 : 1;
    const first = this.rate.isStarting ? share * Math.max(0, settings.firstGrantBytes - block) : 0;
    const next = block * Math.min(1, NEXT_MS / this.#msOf(block));
    return Math.min(settings.maxCommittedBytes, Math.max(first, (rate * aheadMs) / 1000) + next);
  }

  /** What the largest grant is worth. */
  get #blockBytes(): number {
    let block = MIN_GRANT_BYTES;
    for (const swarm of this.#core.assets.values()) block = Math.max(block, swarm.maxChunkBytes);
    return block;
  }

  /** How long the largest chunk takes the uplink at its best; 0: not known yet. */
  get chunkMs(): number {
    return this.#msOf(this.#blockBytes);
  }

  #msOf(bytes: number): number {
    const best = Math.min(this.rate.bestBytesPerSec, this.#core.settings.uploadBytesPerSec ?? Infinity);
    return best > 0 ? (bytes * 1000) / best : 0;
  }

  /** How fast chunks are handed out; 0: not known yet, for the rate still grows, and would grow no faster than it was. */
  get paceBytesPerSec(): number {
    if (this.rate.isStarting) return 0;
    const rate = this.#wait.pace(this.#core.nowMs) * this.rate.bytesPerSec;
    return Math.min(rate, this.#core.settings.uploadBytesPerSec ?? Infinity);
  }

  /**
   * Chunks of the peer were acknowledged: how fast the uplink is, and whether it had enough to do.
   *
   * @param cameAtMs when they would have been had the acknowledgement not been held up: what waits in the peer's uplink
   *   says nothing of this one
   */
  acked(peer: Peer, { bytes, latest, begun, arrived }: Acked, wasStarved: boolean, cameAtMs: number): void {
    const { nowMs } = this.#core;
    // Nothing is acknowledged so soon: it is of a chunk that was given up before, and came all the same. As a sample it
    // would be an uplink of a gigabyte a second, for good, as nothing that is starved of work seems slower.
    if (peer.uploads.droppedBytes > 0 && nowMs - latest.sentAtMs < peer.rttMs) {
      this.rate.forget(bytes);
      peer.deliveryRate.forget(bytes);
      return;
    }
    this.#origin.acked(bytes);
    this.rate.acked(nowMs, bytes, latest.uplinkStamp, !this.#wait.isQueued);
    peer.deliveryRate.acked(nowMs, bytes, latest.peerStamp);
    // A chunk and its acknowledgement took a round trip and more. Pings wait behind data, and tell of queues.
    for (const { sentAtMs } of arrived) peer.measured(nowMs, nowMs - sentAtMs);
    const underWay = this.rate.inFlightBytes / latest.bytes;
    for (const { sentAtMs } of begun) {
      this.#wait.note(nowMs, peer.waited(nowMs, cameAtMs - sentAtMs), underWay, !wasStarved);
    }
    if (this.#wait.isQueued) this.rate.endStart(nowMs);
  }

  onDecline(peer: Peer, message: Extract<Message, { type: 'decline' }>): void {
    const grant = peer.grants.get(message.grant);
    if (!grant || !grant.isSpent) this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'DECLINE'));
    if (!grant) return;
    this.close(peer, grant);
    if (grant.isSpent) return;
    const { nowMs } = this.#core;
    peer.answered(nowMs - grant.sentAtMs);
    const unackedBytes = peer.uploads.unackedBytes;
    if (message.reason === 'busy' && unackedBytes > 0) {
      // It takes in what it has: no more than that, growing with what it acknowledges.
      peer.windowBytes = Math.min(peer.windowBytes, unackedBytes);
      return;
    }
    if (peer.declinedUntilMs > nowMs) return; // one of a burst
    const pauseMs = Math.min(DECLINE_MS * 2 ** peer.declines, LONGEST_DECLINE_MS);
    if (message.reason === 'nothing-wanted') peer.declines++;
    peer.declinedUntilMs = nowMs + pauseMs;
  }

  /** Ends a grant: what is left of it is free again. */
  close(peer: Peer, grant: Grant): void {
    peer.grants.delete(grant.id);
    peer.grantedBytes -= grant.left;
    this.#core.commit(peer, -grant.left);
    peer.throttle.upload?.giveBack(grant.left);
    grant.only?.throttle.upload?.giveBack(grant.left);
    if (grant.offer) grant.offer.swarm.givenBytes -= grant.left;
    grant.left = 0;
    if (!grant.offer) return;
    const { swarm, chunks } = grant.offer;
    const theirs = peer.memberships.get(swarm.key)?.have;
    // Of who left the swarm nothing is kept.
    if (!theirs) return;
    for (const chunk of chunks) {
      const holds = theirs.has(chunk);
      swarm.passes?.takeBack(peer.key, chunk, holds);
      if (grant.isSpent && !holds) swarm.passes?.proof.passedOver(peer.key, chunk);
    }
  }

  /** Takes back credit whose lease ran out. */
  expire(): void {
    this.#timeLeft.look(this.#core.nowMs, this.#core.assets.values());
    for (const peer of this.#core.peers.values()) {
      this.#watchStuck(peer);
      for (const grant of peer.grants.values()) {
        if (grant.expiresAtMs > this.#core.nowMs) break;
        this.lapse(peer, grant);
        if (!grant.isSpent && peer.heardAtMs <= grant.sentAtMs) peer.isMute = true;
      }
    }
  }

  /** Takes back what is left of a grant, and remembers it: it was given in good faith. */
  lapse(peer: Peer, grant: Grant): void {
    peer.expiredGrants.set(grant.id, { ...grant, offer: undefined });
    this.close(peer, grant);
    if (peer.expiredGrants.size <= EXPIRED_KEPT) return;
    peer.expiredGrants.delete(peer.expiredGrants.keys().next().value as number);
  }

  /**
   * A request came after the lease ran out: its credit is good once more, where little else was given in its place. Where
   * everybody is slow to ask, for want of CPU time, all leases run out first, and each would be refused for the next one's.
   */
  revive(peer: Peer, id: number): Grant | undefined {
    const core = this.#core;
    const grant = peer.expiredGrants.get(id);
    if (!grant) return undefined;
    const aheadBytes = core.committedBytes - core.stuckBytes + grant.left;
    if (aheadBytes > LATE_LOOK_AHEADS * this.lookAheadBytes()) return undefined;
    peer.expiredGrants.delete(id);
    this.#open(peer, grant);
    return grant;
  }

  /** Books a grant as given, until {@link close}. */
  #open(peer: Peer, grant: Grant): void {
    const { id, left, only } = grant;
    peer.grants.set(id, grant);
    peer.grantedBytes += left;
    this.#core.commit(peer, left);
    peer.throttle.upload?.take(left);
    only?.throttle.upload?.take(left);
  }

  /** A peer that finds what an offloaded origin holds with nobody else gets it from the origin after all. */
  #watchStuck(peer: Peer): void {
    for (const membership of peer.memberships.values()) {
      if (!membership.swarm.isOffloaded) continue;
      if (this.#core.nowMs - membership.newsAtMs >= OFFLOAD_STUCK_MS) membership.isStuck = true;
    }
  }

  #choose(): Peer | undefined {
    const { peers, nowMs, rng, settings } = this.#core;
    const isLeeching = this.#core.isLeeching;
    const giftBudget = hasGiftBudget(this.#gifts, this.#leechingGrants);
    const isOpen = !isLeeching && rng() < OPEN_GRANT_CHANCE;
    let best: Peer | undefined;
    let bestRank: Rank | undefined;
    let ties = 0;
    if (settings.offload) this.#origin.watchOffload();
    const isHolding = this.#origin.isHolding(this.rate.bytesPerSec, this.#maxRttMs);
    if (isHolding) this.retryAtMs = Math.min(this.retryAtMs, this.#origin.holdUntilMs);
    const isOrigin = this.#isOrigin;
    let taken: ReadonlySet<AssetSwarm> | undefined;
    let isAnyHeld = false;
    for (const peer of peers.values()) {
      if (
        peer.isLeaving ||
        peer.isStuck ||
        peer.isMute ||
        peer.servable <= 0 ||
        isSpent(peer.throttle.upload)
      )
        continue;
      const swarm = isOrigin ? originSwarm(peer) : undefined;
      const passes = swarm?.passes;
      if (isHolding && passes?.isClosing) continue;
      const isKept = swarm && passes && isKeeping(passes, peer);
      if (isKept && nowMs >= this.#origin.unheldUntilMs) {
        taken ??= swarmsWithTakers(peers.values());
        if (taken.has(swarm)) {
          isAnyHeld = true;
          continue;
        }
      }
      if (peer.declinedUntilMs > nowMs) {
        this.retryAtMs = Math.min(this.retryAtMs, peer.declinedUntilMs);
        continue;
      }
      const grantBytes = grantBytesFor(peer);
      if (isLeeching && !giftBudget && !settings.fleet && isRider(peer, nowMs)) continue;
      if (isWindowFull(peer, grantBytes, isLeeching && peers.size > 1)) continue;
      // Who wanted nothing is asked again with one grant at a time.
      if (peer.declines > 0 && peer.grants.size > 0) continue;
      const rank = this.#rank(peer, grantBytes, isLeeching, giftBudget, isOpen);
      const order = bestRank ? compareRanks(rank, bestRank) : -1;
      if (order > 0) continue;
      ties = order < 0 ? 1 : ties + 1;
      if (ties > 1 && rng() * ties >= 1) continue;
      best = peer;
      bestRank = rank;
    }
    if (!best) this.#origin.watchHeld(isAnyHeld, this.rate.bytesPerSec);
    return best;
  }

  /** Whether this node has published something that it shares. */
  get #isOrigin(): boolean {
    for (const { passes } of this.#core.assets.values()) if (passes) return true;
    return false;
  }

  #rank(peer: Peer, grantBytes: number, isLeeching: boolean, giftBudget: boolean, isOpen: boolean): Rank {
    const { sentBytes, grantedBytes, receivedBytes } = peer;
    const ledger = { grantBytes, sentBytes, grantedBytes, receivedBytes };
    const { fleet } = this.#core.settings;
    if (isLeeching && !fleet) {
      const debtor = { ...ledger, ...lagOf(peer), usualBytes: this.#usualBytes };
      return rankWhileLeeching(debtor, giftBudget);
    }
    const passes = isLeeching ? undefined : originSwarm(peer)?.passes;
    // All who are complete give to who has least: what it gets of this one it gets of each of them.
    const alike = isLeeching || passes ? 1 : 1 + this.#completePeers;
    const progress = peer.progress(alike);
    if (!passes) return fleet ? rankInFleet({ progress }) : rankWhenComplete({ ...ledger, progress }, isOpen);
    if (fleet && !passes.isFirstPass) return rankInFleet({ progress });
    const unforwarded = passes.unforwarded(peer.key);
    const isProven = passes.proof.isProven(peer.key);
    const atOrigin = { unforwarded, lastGrant: peer.lastGrant, progress, isProven };
    return rankAtOrigin(atOrigin, passes.isFirstPass, isOpen);
  }

  #grant(peer: Peer): void {
    const core = this.#core;
    // The grant buys what this node has now: late binding must know of it.
    this.#announce(peer);
    const bytes = grantBytesFor(peer);
    const leaseMs = Math.ceil(peer.leaseMs);
    const only = soleAsset(peer, core.rng);
    const swarm = only ?? originSwarm(peer);
    const offered = swarm ? this.#offer(peer, swarm, bytes) : [];
    const grant: Grant = {
      id: peer.nextGrantId++,
      left: bytes,
      isSpent: false,
      sentAtMs: core.nowMs,
      expiresAtMs: core.nowMs + leaseMs + peer.rttMs + LEASE_SLACK_MS,
      only,
      offer: swarm && offered.length > 0 ? { swarm, chunks: new Set(offered) } : undefined,
    };
    peer.lastGrant = ++this.#grants;
    if (core.isLeeching) {
      this.#leechingGrants++;
      if (peer.receivedBytes === 0) this.#gifts++;
    }
    this.#open(peer, grant);
    if (grant.offer) grant.offer.swarm.givenBytes += bytes;
    const offer = grant.offer && { asset: grant.offer.swarm.key, chunks: offered };
    core.send(peer, {
      type: 'grant',
      id: grant.id,
      bytes,
      leaseMs,
      ...(offer && { offer }),
      ...(only && { only: only.key }),
    });
  }

  #offer(peer: Peer, swarm: AssetSwarm, bytes: number): number[] {
    const passes = swarm.passes;
    const theirs = peer.memberships.get(swarm.key)?.have;
    const offered: number[] = [];
    if (!passes || !theirs) return offered;
    let left = bytes;
    // Who has never passed anything on gets no second copy of what others keep to themselves.
    const { proof } = passes;
    const isTrusted = passes.isFirstPass || !proof.isAnyProven || proof.isProven(peer.key);
    const suits = (chunk: number) =>
      swarm.have.has(chunk) &&
      swarm.bytesOf(chunk) <= left &&
      !passes.isGiven(peer.key, chunk) &&
      (isTrusted || passes.turnOf(chunk) !== 1);
    while (offered.length < MAX_OFFER && left >= swarm.minChunkBytes) {
      const chunk = passes.choose(theirs, suits);
      if (chunk < 0) break;
      passes.give(peer.key, chunk);
      offered.push(chunk);
      left -= swarm.bytesOf(chunk);
    }
    return offered;
  }

  #refresh(): void {
    const { nowMs, peers } = this.#core;
    if (this.#maxRttMs > 0 && nowMs - this.#refreshedAtMs < REFRESH_MS) return;
    this.#refreshedAtMs = nowMs;
    this.#maxRttMs = 0;
    this.#completePeers = 0;
    let givers = 0;
    let givenBytes = 0;
    for (const peer of peers.values()) {
      const isServed = peer.committedBytes > 0 || peer.servable > 0;
      if (isServed) this.#maxRttMs = Math.max(this.#maxRttMs, peer.rttMs);
      if (isComplete(peer)) this.#completePeers++;
      if (peer.receivedBytes === 0) continue;
      givers++;
      givenBytes += peer.receivedBytes;
    }
    this.#usualBytes = givers > 0 ? givenBytes / givers : 0;
  }
}
