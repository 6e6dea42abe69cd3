import type { Allowance } from './allowance.ts';
import type { AssetSwarm, ChunkRequest } from './asset-swarm.ts';
import { addToRuns } from './chunk-runs.ts';
import {
  MAX_CHUNKS_PER_GRANT,
  REISSUE_FACTOR,
  REMIND_MS,
  SLOW_BYTES_PER_SEC,
  SLOW_REISSUE_MS,
  TOMBSTONE_MS,
  UNKNOWN_REISSUE_MS,
  UNPROVEN_REISSUE_MS,
} from './constants.ts';
import type { Core, Misbehaviour } from './core.ts';
import { inboundRoom } from './inbound-room.ts';
import { loseChunk, noteBounded, reminderFor } from './membership.ts';
import { worthMoving } from './endgame.ts';
import type { AssetKey, ChunkRun, DeclineReason, Message, RejectReason } from './messages.ts';
import type { Peer, Tombstone } from './peer.ts';
import { isSpent } from './rate-limits.ts';
import {
  allowedMs,
  isBetterElsewhere,
  isElsewhere,
  isSilent,
  patienceOf,
  paysFor,
  trustOf,
} from './reliance.ts';
import { randomInt } from './rng.ts';
import { bury, forgetTakenBack, isTakenBack } from './taken-back.ts';
import { chunkKey } from './upload-queue.ts';
import { HURRY_MS, lateUrgent, pickUrgent } from './urgency.ts';

type GrantMessage = Extract<Message, { type: 'grant' }>;

interface Choice {
  swarm: AssetSwarm;
  chunk: number;
}

const UNLIMITED: readonly Allowance[] = [];

/** What it costs to see that a peer lacks a chunk, in looks at one that it has. */
const GLANCE = 1 / 16;

/** Spends the credit that comes in: the chunk is chosen only now (late binding), so nothing is chosen twice. */
export class Requesting {
  readonly #core: Core;
  /** Chunks became pickable since the last reminder: a request came to nothing, or wishes changed. */
  #isReleased = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Asks for as much as the credit pays for, and gives back the rest. */
  onGrant(peer: Peer, message: GrantMessage): void {
    if (!(message.bytes > 0)) return this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'GRANT'));
    let left = message.bytes;
    let busy = false;
    const picked = new Map<AssetSwarm, ChunkRun[]>();
    for (const membership of peer.memberships.values()) {
      membership.swarm.throttle.download?.refill(this.#core.nowMs);
      if (paysFor(message, membership.swarm)) membership.creditAtMs = this.#core.nowMs;
    }
    const offered = message.leaseMs > 0 ? this.#offered(peer, message) : [];
    for (let count = 0; message.leaseMs > 0 && count < MAX_CHUNKS_PER_GRANT && left > 0; count++) {
      const mayLook = peer.conduct.looks.refill(this.#core.nowMs) > 0;
      const room = mayLook ? this.#room(peer) : 0;
      if (room < left) busy = true;
      const found = room > 0 ? this.#choose(peer, message.only, Math.min(left, room), offered) : undefined;
      if (!found) break;
      const { swarm, chunk } = found;
      left -= swarm.bytesOf(chunk);
      this.#take(peer, swarm, chunk, this.#core.nowMs + message.leaseMs);
      addToRuns(picked, swarm, chunk);
    }
    for (const [swarm, runs] of picked) {
      this.#core.send(peer, { type: 'request', grant: message.id, asset: swarm.key, runs });
    }
    busy ||= isThrottled(peer);
    if (picked.size === 0) this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'GRANT'));
    if (left > 0) this.#decline(peer, message, left, busy, picked.size > 0);
  }

  /** The peer will not send the chunk. */
  onReject(peer: Peer, message: Extract<Message, { type: 'reject' }>): void {
    const key = chunkKey(message.asset, message.chunk);
    const request = peer.requests.get(key);
    if (!request) return this.#rejectedLate(peer, message);
    const before = request.isSecond && message.reason === 'cancelled' ? peer.tombstones.get(key) : undefined;
    if (before && !before.isRejected) {
      // Of the request that was taken back, not of the one that was made since.
      before.isRejected = true;
      return;
    }
    this.#forget(peer, request);
    this.#core.blame(peer, this.#refused(peer, request, message.reason));
    // What had begun may still be on its way: data and control are different streams. Without credit nothing begins.
    if (message.reason !== 'no-credit' || request.receivedBytes > 0) {
      bury(peer, request, request.bytes, this.#core.nowMs);
      // Another reject is of a later request.
      (peer.tombstones.get(key) as Tombstone).isRejected = true;
    }
    const membership = peer.memberships.get(message.asset);
    if (message.reason === 'failed') noteBounded(membership?.swarm.failed, peer.key);
    if (membership && (message.reason === 'missing' || message.reason === 'failed')) {
      loseChunk(peer, membership, message.chunk);
    }
  }

  /** What was taken back is rejected once each, and what was asked for again since; more than that is noise. */
  #rejectedLate(peer: Peer, { asset, chunk }: Extract<Message, { type: 'reject' }>): void {
    const tombstone = peer.tombstones.get(chunkKey(asset, chunk));
    if (tombstone && !tombstone.isRejected) tombstone.isRejected = true;
    else if (tombstone?.isAnswered) this.#refusedWhatCame(peer, tombstone, asset, chunk);
    else this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'REJECT'));
  }

  /** It was answered by data of the request before it, which was taken back: the peer does not think that the chunk is here. */
  #refusedWhatCame(peer: Peer, tombstone: Tombstone, asset: AssetKey, chunk: number): void {
    tombstone.isAnswered = false;
    const membership = peer.memberships.get(asset);
    const request = membership?.swarm.requests.get(chunk);
    if (request?.peer === peer.key && request.isWhole) request.isLate = true;
    else if (membership?.isTold && membership.swarm.have.has(chunk))
      this.#core.send(peer, { type: 'have', asset, chunks: [chunk] });
  }

  /**
   * A file that changed, or a disk that fails, is nobody's lie; it is only not heard of for ever. Nor is it one that the credit had
   * run out when the request came: it stands behind this node's own chunks on a slow uplink. But others are asked first then.
   */
  #refused(peer: Peer, { creditUntilMs }: ChunkRequest, reason: RejectReason): Misbehaviour | undefined {
    const { nowMs } = this.#core;
    if (reason === 'failed') return peer.conduct.wasted(nowMs, 'REJECT');
    if (reason !== 'no-credit' || nowMs < creditUntilMs) return peer.conduct.brokePromise(nowMs);
    peer.lapses++;
    return peer.conduct.wasted(nowMs, 'REJECT');
  }

  /** Gives up requests of which nothing comes: they are asked of somebody else, twice as patiently. */
  giveUpLate(): void {
    const { nowMs } = this.#core;
    for (const peer of this.#core.peers.values()) {
      for (const request of peer.requests.values()) {
        // What was asked for later waits behind what comes now.
        if (request.requestedAtMs >= peer.servingSinceMs) {
          request.progressAtMs = Math.max(request.progressAtMs, peer.lastDataAtMs);
        }
        if (!this.#isLate(peer, request)) continue;
        this.cancel(peer, request);
        peer.trustBytes = Math.max(trustOf(peer) / 2, request.bytes);
        peer.lapses++;
        this.#core.blame(peer, this.#keptWaiting(peer, request));
        const reissues = this.#core.assets.get(request.asset)?.reissues;
        reissues?.set(request.chunk, (reissues.get(request.chunk) ?? 0) + 1);
      }
      peer.servingSinceMs = Infinity;
      forgetTakenBack(peer, nowMs);
    }
  }

  /**
   * Where a ping takes seconds, behind this node's own chunks and the peer's, a request and what comes of it take longer still: of two
   * uplinks of 32 kbit/s and some neighbours each waits half a minute, and nobody broke a promise.
   */
  #keptWaiting(peer: Peer, { requestedAtMs }: ChunkRequest): Misbehaviour | undefined {
    const { nowMs } = this.#core;
    if (nowMs - requestedAtMs < Math.min(REISSUE_FACTOR * peer.lastRttMs, SLOW_REISSUE_MS)) return undefined;
    return peer.conduct.brokePromise(nowMs);
  }

  /**
   * Nothing has come for too long, of the request or of what was asked for before it. A slow uplink is none the
   * worse for being slow; but where another neighbour has the chunk too, a trickle does not hold it up for ever.
   */
  #isLate(peer: Peer, request: ChunkRequest): boolean {
    const { nowMs, downlinkQueue } = this.#core;
    // What others were asked for, and send, may stand before it.
    const aheadMs = downlinkQueue.aheadMs(nowMs, peer);
    const queueMs = REISSUE_FACTOR * aheadMs;
    if (nowMs >= request.progressAtMs + Math.max(request.allowedMs, queueMs)) return true;
    const swarm = this.#core.assets.get(request.asset);
    if (!swarm) return false;
    // The last chunks do not wait for a peer that has never sent anything.
    const isLast = peer.serviceMs === 0 && swarm.picker.count === 0;
    if (isLast && nowMs >= request.progressAtMs + UNPROVEN_REISSUE_MS + aheadMs) {
      return isElsewhere(peer, swarm, request.chunk, nowMs);
    }
    const slowMs = Math.min(
      SLOW_REISSUE_MS,
      UNKNOWN_REISSUE_MS + (request.bytes * 1000) / SLOW_BYTES_PER_SEC,
    );
    const patience = patienceOf(swarm, request.chunk) * 2 ** Math.min(peer.conduct.broken, 2);
    const begunAtMs = Math.max(request.requestedAtMs, peer.lastServedAtMs);
    if (nowMs - begunAtMs < Math.max(slowMs * patience, queueMs)) return false;
    return isElsewhere(peer, swarm, request.chunk, nowMs);
  }

  /** Takes a request back and tells the peer. */
  cancel(peer: Peer, request: ChunkRequest): void {
    const { asset, chunk } = request;
    this.#forget(peer, request);
    bury(peer, request, request.bytes - request.receivedBytes, this.#core.nowMs);
    this.#core.send(peer, { type: 'cancel', asset, chunk });
  }

  /** Wishes changed: what is not wanted any more, and has not begun to come, is taken back. */
  dropUnwanted(swarm: AssetSwarm): void {
    for (const request of swarm.unwantedRequests()) {
      const peer = this.#core.peers.get(request.peer);
      if (peer) this.cancel(peer, request);
    }
  }

  /** What a reader needs before the peer asked for it can deliver is asked of a faster one, once. */
  rushLate(): void {
    const { assets, peers, nowMs } = this.#core;
    for (const swarm of assets.values()) {
      if (swarm.urgent.length === 0) continue;
      for (const chunk of lateUrgent(swarm, nowMs, (key) => peers.get(key))) {
        const request = swarm.requests.get(chunk);
        const peer = request && peers.get(request.peer);
        if (!peer) continue;
        swarm.rushed.add(chunk);
        this.cancel(peer, request);
      }
    }
  }

  /** The peer is gone, or leaves an asset's swarm: what it was asked for can be asked of others. */
  releaseAll(peer: Peer, asset: AssetKey | undefined): void {
    for (const request of peer.requests.values()) {
      if (asset !== undefined && request.asset !== asset) continue;
      this.#forget(peer, request);
      bury(peer, request, request.bytes - request.receivedBytes, this.#core.nowMs);
    }
  }

  /** The request is over without the chunk, which becomes pickable again. */
  #forget(peer: Peer, request: ChunkRequest): void {
    peer.requests.delete(chunkKey(request.asset, request.chunk));
    peer.requestedBytes -= request.bytes;
    this.#core.settle(request);
    const swarm = this.#core.assets.get(request.asset);
    swarm?.release(request);
    for (const limit of this.#limits(peer, swarm)) limit.giveBack(request.bytes - request.receivedBytes);
    this.#isReleased = true;
  }

  #decline(peer: Peer, message: GrantMessage, bytes: number, busy: boolean, isSpent: boolean): void {
    let reason: DeclineReason = 'nothing-wanted';
    if (!(message.leaseMs > 0)) reason = 'expired';
    else if (busy) reason = 'busy';
    else if (!isSpent) peer.isDeclined = true;
    this.#core.send(peer, { type: 'decline', grant: message.id, bytes, reason });
  }

  /** Chunks can be asked for that could not be before: others are wanted, or what came was of no use. */
  wishesChanged(): void {
    this.#isReleased = true;
  }

  /** Peers whose credit was declined hear that something they hold is wanted after all. */
  remind(): void {
    if (!this.#isReleased) return;
    this.#isReleased = false;
    for (const peer of this.#core.peers.values()) {
      if (!peer.isDeclined || peer.isLeaving) continue;
      const membership = [...peer.memberships.values()].find(
        ({ swarm, have }) => have && swarm.picker.pick(have, () => true) >= 0,
      );
      if (!membership) continue;
      if (this.#core.nowMs - peer.remindedAtMs < REMIND_MS) {
        this.#isReleased = true;
        continue;
      }
      peer.remindedAtMs = this.#core.nowMs;
      peer.isDeclined = false;
      this.#core.send(peer, reminderFor(peer, membership.swarm));
    }
  }

  /** What the origin chose, as far as it makes sense. */
  #offered(peer: Peer, { offer }: GrantMessage): number[] {
    const swarm = offer && this.#core.assets.get(offer.asset);
    if (!swarm || !peer.memberships.get(swarm.key)?.have) return [];
    return offer.chunks.slice(0, MAX_CHUNKS_PER_GRANT).map((chunk) => chunkKey(swarm.key, chunk));
  }

  /**
   * What was taken back from this very peer comes last: the first copy may still be on its way, and the one
   * thing worse than a second copy is none.
   */
  #choose(peer: Peer, only: AssetKey | undefined, maxBytes: number, offered: number[]): Choice | undefined {
    const { nowMs } = this.#core;
    const isFresh = (swarm: AssetSwarm, chunk: number): boolean =>
      !isTakenBack(peer, swarm.key, chunk, nowMs) && !isBetterElsewhere(this.#core, peer, swarm, chunk);
    const found =
      this.#chooseWhere(peer, only, maxBytes, offered, isFresh) ?? this.#takeOver(peer, only, maxBytes);
    if (found || nowMs - peer.takenBackAtMs >= TOMBSTONE_MS) return found;
    return this.#chooseWhere(
      peer,
      only,
      maxBytes,
      [],
      (swarm, chunk) => !isBetterElsewhere(this.#core, peer, swarm, chunk),
    );
  }

  /**
   * Nothing else is left to ask the peer for: what a silent peer was asked for is taken from it. Whoever promises
   * chunks and sends none holds up nothing that others hold, and whoever was only slow loses a request.
   */
  #takeOver(peer: Peer, only: AssetKey | undefined, maxBytes: number): Choice | undefined {
    const { nowMs } = this.#core;
    if (isSilent(this.#core, peer)) return undefined;
    for (const { swarm, have } of peer.memberships.values()) {
      if (!have || isSpent(swarm.throttle.download) || (only !== undefined && swarm.key !== only)) continue;
      for (const { peer: other } of swarm.members.values()) {
        if (other === peer || !isSilent(this.#core, other)) continue;
        for (const request of other.requests.values()) {
          const { asset, chunk, bytes } = request;
          if (asset !== swarm.key || bytes > maxBytes || !have.has(chunk)) continue;
          if (isTakenBack(peer, asset, chunk, nowMs)) continue;
          this.cancel(other, request);
          other.lapses++;
          if (swarm.picker.isPickable(chunk)) return { swarm, chunk };
        }
      }
    }
    return this.#moveLate(peer, only, maxBytes);
  }

  /** Nothing is silent either: the request that would be answered latest moves, where that is sooner. */
  #moveLate(peer: Peer, only: AssetKey | undefined, maxBytes: number): Choice | undefined {
    const { nowMs, peers } = this.#core;
    for (const { swarm } of peer.memberships.values()) {
      if (isSpent(swarm.throttle.download) || (only !== undefined && swarm.key !== only)) continue;
      const request = worthMoving(peer, swarm, maxBytes, nowMs);
      const other = request && peers.get(request.peer);
      if (!other) continue;
      swarm.rushed.add(request.chunk);
      this.cancel(other, request);
      if (swarm.picker.isPickable(request.chunk)) return { swarm, chunk: request.chunk };
    }
    return undefined;
  }

  #chooseWhere(
    peer: Peer,
    only: AssetKey | undefined,
    maxBytes: number,
    offered: number[],
    isFresh: (swarm: AssetSwarm, chunk: number) => boolean,
  ): Choice | undefined {
    const memberships = [...peer.memberships.values()].filter(
      ({ swarm, have }) =>
        have &&
        !isSpent(swarm.throttle.download) &&
        (only === undefined || swarm.key === only) &&
        swarm.picker.count > 0 &&
        swarm.minChunkBytes <= maxBytes,
    );
    if (memberships.length === 0) return undefined;
    let passedOver = 0;
    const suits = (swarm: AssetSwarm, chunk: number): boolean => {
      const isSuited = swarm.bytesOf(chunk) <= maxBytes && isFresh(swarm, chunk);
      if (!isSuited) passedOver++;
      return isSuited;
    };
    const { nowMs } = this.#core;
    const urgent = (untilMs: number): Choice | undefined => {
      for (const { swarm, have } of memberships) {
        if (swarm.urgent.length === 0) continue;
        const isHere = (chunk: number): boolean => have!.has(chunk) && suits(swarm, chunk);
        const chunk = pickUrgent(swarm, peer, nowMs, untilMs, isHere);
        if (chunk >= 0) return { swarm, chunk };
      }
      return undefined;
    };
    const soon = urgent(nowMs + HURRY_MS);
    if (soon) return soon;
    for (const { swarm, have } of memberships) {
      let key: number | undefined;
      while ((key = offered.shift()) !== undefined) {
        const chunk = key - chunkKey(swarm.key, 0);
        const isMine = chunk >= 0 && chunk < swarm.size;
        if (isMine && swarm.picker.isPickable(chunk) && have!.has(chunk) && suits(swarm, chunk)) {
          return { swarm, chunk };
        }
        if (!isMine) {
          offered.unshift(key);
          break;
        }
      }
    }
    const later = urgent(Infinity);
    if (later) return later;
    const first = memberships.length > 1 ? randomInt(this.#core.rng, memberships.length) : 0;
    for (let i = 0; i < memberships.length; i++) {
      const { swarm, have } = memberships[(first + i) % memberships.length]!;
      const chunk = swarm.picker.pick(have!, (candidate) => suits(swarm, candidate));
      if (chunk >= 0) return { swarm, chunk };
      passedOver += swarm.picker.count * GLANCE;
    }
    peer.conduct.looks.take(passedOver);
    return undefined;
  }

  #take(peer: Peer, swarm: AssetSwarm, chunk: number, creditUntilMs: number, isLate = false): ChunkRequest {
    const { nowMs } = this.#core;
    const bytes = swarm.bytesOf(chunk);
    peer.requestedBytes += bytes;
    this.#core.inboundBytes += bytes;
    for (const limit of this.#limits(peer, swarm)) limit.take(bytes);
    const tombstone = peer.tombstones.get(chunkKey(swarm.key, chunk));
    const request: ChunkRequest = {
      asset: swarm.key,
      chunk,
      bytes,
      peer: peer.key,
      requestedAtMs: nowMs,
      progressAtMs: nowMs,
      creditUntilMs,
      allowedMs: patienceOf(swarm, chunk) * allowedMs(peer, this.#core.peers.values()),
      receivedBytes: 0,
      isWhole: false,
      isSecond: tombstone !== undefined,
      isLate,
    };
    if (tombstone) tombstone.left = Math.max(tombstone.left, bytes);
    swarm.picker.remove(chunk);
    swarm.requests.set(chunk, request);
    peer.requests.set(chunkKey(swarm.key, chunk), request);
    return request;
  }

  /** The chunk has come whole from the peer, unasked since it was taken back: it is verified as if it were asked for. */
  adopt(peer: Peer, swarm: AssetSwarm, chunk: number): void {
    this.cameWhole(peer, this.#take(peer, swarm, chunk, -Infinity, true));
  }

  /** All of it is here: the peer owes nothing more of it, and the shell verifies and stores it. */
  cameWhole(peer: Peer, request: ChunkRequest): void {
    request.isWhole = true;
    this.#core.unstoredBytes += request.bytes;
    peer.requests.delete(chunkKey(request.asset, request.chunk));
    peer.requestedBytes -= request.bytes;
  }

  /** Bytes that may be asked of the peer now: memory, the downlink's queue and limit, and how far it is trusted. */
  #room(peer: Peer): number {
    const { inboundBytes, nowMs } = this.#core;
    const trust = peer.requestedBytes === 0 ? Infinity : trustOf(peer) - peer.requestedBytes;
    const { download } = this.#core;
    const isQueued = download && inboundBytes > 0 && inboundBytes >= download.burst;
    const isSpentNow = this.#limits(peer, undefined).some((limit) => limit.refill(nowMs) <= 0);
    return isQueued || isSpentNow ? 0 : Math.min(inboundRoom(this.#core, peer), trust);
  }

  /** The download limits that a chunk of the asset counts against, where it comes from the peer. */
  #limits(peer: Peer, swarm: AssetSwarm | undefined): readonly Allowance[] {
    const { download } = this.#core;
    if (!download && !peer.throttle.download && !swarm?.throttle.download) return UNLIMITED;
    const limits = [download, peer.throttle.download, swarm?.throttle.download];
    return limits.filter((limit) => limit !== undefined);
  }
}

/** Something that is wanted of the peer has to wait for its asset's limit. */
function isThrottled(peer: Peer): boolean {
  for (const { swarm, have } of peer.memberships.values()) {
    if (have && swarm.picker.count > 0 && isSpent(swarm.throttle.download)) return true;
  }
  return false;
}
