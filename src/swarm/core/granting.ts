import type { AssetSwarm } from './asset-swarm.ts';
import {
  DECLINE_MS,
  LEASE_SLACK_MS,
  LONGEST_DECLINE_MS,
  MAX_OFFER,
  OFFLOAD_STUCK_MS,
  OPEN_GRANT_CHANCE,
} from './constants.ts';
import type { Core } from './core.ts';
import {
  grantBytesFor,
  hasNoRoomFor,
  isKeeping,
  isRider,
  isWindowFull,
  lagOf,
  originSwarm,
  soleAsset,
  swarmsWithTakers,
} from './grant-terms.ts';
import { LookAhead } from './look-ahead.ts';
import type { Message } from './messages.ts';
import { OriginWatch } from './origin-watch.ts';
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

/** What comes too late may use so many look-aheads, with what was given in its place. */
const LATE_LOOK_AHEADS = 2;

/** Expired grants remembered for each peer: as many as the largest look-ahead holds. */
const EXPIRED_KEPT = 1024;

/** Hands out credit: to whom, how much at once, and what becomes of credit that is not used. */
export class Granting {
  /** There was room in the look-ahead and nobody to grant to. */
  isStarved = false;
  /** Somebody waits for a limit: being starved means nothing then. */
  isThrottled = false;
  /** When a peer that declined may be granted again, where somebody waits for that; else Infinity. */
  retryAtMs = Infinity;
  readonly ahead: LookAhead;
  readonly #core: Core;
  readonly #origin: OriginWatch;
  readonly #announce: (peer: Peer) => void;
  #grants = 0;
  /** Of those while it downloaded: all, and gifts. Who downloads nothing is given nothing, so that all would be gifts. */
  #leechingGrants = 0;
  #gifts = 0;
  /** @param announce tells a peer what it was not told yet */
  constructor(core: Core, announce: (peer: Peer) => void) {
    this.#core = core;
    this.ahead = new LookAhead(core);
    this.#origin = new OriginWatch(core);
    this.#announce = announce;
  }

  /** Grants until the look-ahead is full or nobody is left. */
  fill(): void {
    this.retryAtMs = Infinity;
    const target = this.ahead.bytes();
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

  /** Chunks of the peer were acknowledged. @param cameAtMs as `LookAhead.acked` takes it */
  acked(peer: Peer, acked: Acked, cameAtMs: number): void {
    if (this.ahead.acked(peer, acked, this.isStarved, cameAtMs)) this.#origin.acked(acked.bytes);
  }

  onDecline(peer: Peer, message: Extract<Message, { type: 'decline' }>): void {
    const grant = peer.grants.get(message.grant);
    if (!grant || !grant.isSpent) this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'DECLINE'));
    if (!grant) return;
    this.close(peer, grant);
    if (grant.isSpent) return;
    const { nowMs } = this.#core;
    peer.answered(nowMs - grant.sentAtMs);
    // The asset may have a limit there, and others have none.
    if (message.reason === 'busy' && grant.only && hasNoRoomFor(peer, grant.only, nowMs, DECLINE_MS)) return;
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
    if (peer.grants.delete(grant.id)) peer.promised--;
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
    this.ahead.look();
    for (const peer of this.#core.peers.values()) {
      if (this.#core.settings.offload) this.#watchStuck(peer);
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
    // Of a chunk that takes the uplink long the look-ahead has a part only.
    const mostBytes = LATE_LOOK_AHEADS * Math.max(this.ahead.bytes(), grant.left);
    if (aheadBytes > mostBytes) return undefined;
    peer.expiredGrants.delete(id);
    this.#open(peer, grant);
    return grant;
  }

  /** Books a grant as given, until {@link close}. */
  #open(peer: Peer, grant: Grant): void {
    const { id, left, only } = grant;
    peer.grants.set(id, grant);
    peer.promised++;
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
    const isHolding = this.#origin.isHolding(this.ahead.rate.bytesPerSec, this.ahead.maxRttMs);
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
    if (!best) this.#origin.watchHeld(isAnyHeld, this.ahead.rate.bytesPerSec);
    return best;
  }

  /** Whether this node has published something that it shares. */
  get #isOrigin(): boolean {
    for (const { passes } of this.#core.assets.values()) if (passes) return true;
    return false;
  }

  #rank(peer: Peer, grantBytes: number, isLeeching: boolean, giftBudget: boolean, isOpen: boolean): Rank {
    const { sentBytes, grantedBytes, receivedBytes } = peer;
    const { fleet } = this.#core.settings;
    // Each is written out: every neighbour is looked at for each grant, and spreads take longer than all the rest.
    if (isLeeching && !fleet) {
      const { ahead, bytesPerMember } = lagOf(peer);
      const { usualBytes } = this.ahead;
      const debtor = {
        grantBytes,
        sentBytes,
        grantedBytes,
        receivedBytes,
        ahead,
        bytesPerMember,
        usualBytes,
      };
      return rankWhileLeeching(debtor, giftBudget);
    }
    const passes = isLeeching ? undefined : originSwarm(peer)?.passes;
    // All who are complete give to who has least: what it gets of this one it gets of each of them.
    const alike = isLeeching || passes ? 1 : 1 + this.ahead.completePeers;
    const progress = peer.progress(alike);
    if (fleet && !passes?.isFirstPass) return rankInFleet({ progress });
    if (!passes) {
      return rankWhenComplete({ grantBytes, sentBytes, grantedBytes, receivedBytes, progress }, isOpen);
    }
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
    const only = soleAsset(peer, core.rng, core.nowMs);
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
}
