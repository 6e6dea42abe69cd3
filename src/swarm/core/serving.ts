import type { AssetSwarm } from './asset-swarm.ts';
import { MAX_CHUNKS_PER_GRANT, STALL_MS, STUCK_MS } from './constants.ts';
import type { Core, Misbehaviour } from './core.ts';
import type { Granting } from './granting.ts';
import { gainChunk, loseChunk } from './membership.ts';
import type { AssetKey, Message, RejectReason } from './messages.ts';
import type { OriginPasses } from './origin-passes.ts';
import type { Grant, Peer } from './peer.ts';
import { isDue, UploadLine, type Waiting } from './upload-line.ts';
import { chunkKey, type Upload } from './upload-queue.ts';

/**
 * What is handed out waits no longer than this for the uplink, or than for the chunk before it: the others wait in
 * line, not in sockets. (A peer was taken for stuck while it waited for one of 1 MiB, and its credit was given once more: ten
 * chunks were begun at 300 kbit/s, each was given up before it had come, and honest peers cut each other off.)
 */
const MOST_QUEUE_MS = 2000;

type Request = Extract<Message, { type: 'request' }>;

/** Answers requests: each chunk becomes an upload or a reject, and acknowledgements settle the uploads. */
export class Serving {
  readonly #core: Core;
  readonly #granting: Granting;
  readonly #line = new UploadLine();

  constructor(core: Core, granting: Granting) {
    this.#core = core;
    this.#granting = granting;
  }

  onRequest(peer: Peer, message: Request): Misbehaviour | undefined {
    const swarm = this.#core.assets.get(message.asset);
    const fault = faultOf(message, swarm);
    if (fault) return fault;
    const isMember = swarm !== undefined && swarm.members.has(peer.key);
    const open = peer.grants.get(message.grant);
    const grant = open ?? (isMember ? this.#granting.revive(peer, message.grant) : undefined);
    if (grant && !grant.isSpent) peer.answered(this.#core.nowMs - grant.sentAtMs);
    for (const { from, count } of message.runs) {
      for (let chunk = from; chunk < from + count; chunk++) {
        if (isMember) this.#serve(peer, swarm, chunk, message.grant, grant);
        else this.#rejectStranger(peer, message.asset, chunk);
      }
    }
    if (grant?.left === 0) this.#granting.close(peer, grant);
    else if (grant && !open) this.#granting.lapse(peer, grant);
    return undefined;
  }

  /** The peer no longer wants a chunk; where it is under way already it arrives all the same. */
  onCancel(peer: Peer, asset: AssetKey, chunk: number): void {
    if (this.#cancel(peer, asset, chunk)) return this.#reject(peer, asset, chunk, 'cancelled');
    this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'CANCEL'));
    this.#notArrived(peer, asset, chunk);
  }

  /**
   * Bytes of a chunk that was taken back, and sent all the same, are acknowledged too, and settle another one that has not
   * arrived. Who takes that back does not have it: otherwise it would never be given it.
   */
  #notArrived(peer: Peer, asset: AssetKey, chunk: number): void {
    const membership = peer.memberships.get(asset);
    if (!membership) return;
    loseChunk(peer, membership, chunk);
    membership.swarm.passes?.takeBack(peer.key, chunk, false);
  }

  onAck(peer: Peer, { bytes, atMs }: Extract<Message, { type: 'ack' }>): Misbehaviour | undefined {
    const core = this.#core;
    const acked = peer.uploads.ack(bytes);
    if (acked === 'false') {
      return { code: 'ERR_PEER_FALSE_ACK', message: 'it acknowledged more bytes than it was sent' };
    }
    if (acked === 'dropped') return undefined;
    if (!acked) return peer.conduct.wasted(core.nowMs, 'ACK');
    core.commit(peer, -acked.bytes);
    peer.promised -= acked.arrived.length;
    peer.lastAckAtMs = core.nowMs;
    peer.windowBytes += acked.bytes / 2;
    const cameAtMs = peer.clock.toMine(core.nowMs, atMs, acked.latest.sentAtMs);
    this.#granting.acked(peer, acked, cameAtMs);
    for (const upload of acked.arrived) this.#arrived(peer, upload);
    return undefined;
  }

  /** The shell could not read the chunk: the request is rejected. */
  uploadFailed(peer: Peer, asset: AssetKey, chunk: number): void {
    const upload = this.#drop(peer, asset, chunk);
    if (!upload) return;
    peer.sentBytes -= upload.bytes;
    this.#reject(peer, asset, chunk, 'failed');
  }

  /** The peer leaves the asset's swarm, or this node does: nothing more of it goes out. */
  dropAll(peer: Peer, asset: AssetKey | undefined): void {
    const waiting = [...peer.waiting.values()].map(({ swarm, chunk }) => ({ asset: swarm.key, chunk }));
    for (const item of [...waiting, ...peer.uploads.uploads()]) {
      if (asset !== undefined && item.asset !== asset) continue;
      this.#cancel(peer, item.asset, item.chunk);
      if (!peer.isLeaving) this.#reject(peer, item.asset, item.chunk, 'missing');
    }
  }

  /** Whether the peer has not acknowledged anything for so long that its link must be dead. */
  isStalled(peer: Peer): boolean {
    if (peer.uploads.unackedBytes === 0) return false;
    return this.#core.nowMs - peer.lastAckAtMs > Math.max(STALL_MS, 4 * this.#queueMs());
  }

  /**
   * Finds out whose way is stuck: what is under way to them does not keep the uplink busy, so others may have as
   * much in its place. Half of a swarm that is cut off would otherwise hold all credit until its links are dead.
   */
  watchStuck(): void {
    const core = this.#core;
    const queueMs = this.#queueMs();
    const mostMs = Math.max(MOST_QUEUE_MS, this.#granting.ahead.chunkMs);
    core.stuckBytes = 0;
    for (const peer of core.peers.values()) {
      peer.isStuck = false;
      if (peer.uploads.unackedBytes === 0) continue;
      const silentMs = core.nowMs - Math.max(peer.lastAckAtMs, peer.heardAtMs);
      // The rate falls with what does not arrive, and would make a queue of it.
      const usualMs = 4 * peer.rttMs + Math.min(4 * queueMs, mostMs);
      peer.isStuck = silentMs > Math.max(STUCK_MS, usualMs);
      if (peer.isStuck) core.stuckBytes += peer.committedBytes;
    }
  }

  #queueMs(): number {
    const rate = this.#granting.ahead.rate.bytesPerSec;
    return rate > 0 ? ((this.#core.committedBytes - this.#core.stuckBytes) / rate) * 1000 : 0;
  }

  #serve(peer: Peer, swarm: AssetSwarm, chunk: number, grantId: number, grant: Grant | undefined): void {
    const bytes = swarm.bytesOf(chunk);
    if (
      !grant ||
      bytes > grant.left ||
      (grant.only && grant.only.key !== swarm.key) ||
      peer.uploads.has(swarm.key, chunk) ||
      peer.waiting.has(chunkKey(swarm.key, chunk))
    ) {
      if (!peer.expiredGrants.has(grantId)) this.#core.blame(peer, peer.conduct.struck());
      return this.#reject(peer, swarm.key, chunk, 'no-credit');
    }
    grant.left -= bytes;
    grant.isSpent = true;
    peer.grantedBytes -= bytes;
    peer.declines = 0;
    if (grant.offer) grant.offer.swarm.givenBytes -= bytes;
    if (!swarm.have.has(chunk)) {
      this.#core.commit(peer, -bytes);
      giveBack(peer, swarm, bytes);
      return this.#reject(peer, swarm.key, chunk, 'missing');
    }
    peer.conduct.wasUseful();
    peer.sentBytes += bytes;
    swarm.givenBytes += bytes;
    if (swarm.passes) giveOf(swarm.passes, peer, swarm, chunk);
    this.#line.add(this.#core.nowMs, { peer, swarm, chunk, bytes });
  }

  /** The uplink has a higher limit than before, or none: what it delivers is to be found out anew, and nothing waits until then. */
  limitRaised(): void {
    this.#granting.ahead.rate.startAnew();
    this.#line.restart();
  }

  /** When {@link move} is to be called again. */
  get moveAtMs(): number {
    return this.#line.moveAtMs;
  }

  /** Hands out what the uplink can take now. */
  move(): void {
    const { nowMs } = this.#core;
    const { paceBytesPerSec } = this.#granting.ahead;
    for (;;) {
      const next = this.#line.next(nowMs, paceBytesPerSec, turnOf);
      if (!next) return;
      this.#upload(next);
    }
  }

  #upload(waiting: Waiting): void {
    const { peer, swarm, chunk, bytes } = waiting;
    const { nowMs } = this.#core;
    const isStarved = this.#granting.isStarved;
    if (peer.uploads.unackedBytes === 0) peer.lastAckAtMs = nowMs;
    const upload: Upload = {
      asset: swarm.key,
      chunk,
      bytes,
      left: bytes,
      dropped: false,
      sentAtMs: nowMs,
      uplinkStamp: this.#granting.ahead.rate.sent(nowMs, bytes, isStarved),
      peerStamp: peer.deliveryRate.sent(nowMs, bytes, false),
    };
    if (bytes > 0) {
      peer.uploads.push(upload);
      peer.promised++;
    } else this.#arrived(peer, upload); // nothing to acknowledge
    const first = isDue(waiting, nowMs) || isFirstCopy(waiting);
    this.#core.act({ type: 'upload', peer: peer.key, asset: swarm.key, chunk, first });
  }

  /** All of the chunk is there; a peer does not announce a chunk to the one it has it from. */
  #arrived(peer: Peer, upload: Upload): void {
    const membership = peer.memberships.get(upload.asset);
    if (!membership) return;
    gainChunk(peer, membership, upload.chunk);
    membership.swarm.passes?.arrived(upload.chunk);
  }

  /** It is not in the asset's swarm: it left, or never was. */
  #rejectStranger(peer: Peer, asset: AssetKey, chunk: number): void {
    this.#core.blame(peer, peer.conduct.wasted(this.#core.nowMs, 'REQUEST'));
    this.#reject(peer, asset, chunk, 'missing');
  }

  /** Takes a chunk out of the line, or back from the shell: what has begun to go out arrives all the same. */
  #cancel(peer: Peer, asset: AssetKey, chunk: number): boolean {
    const waiting = this.#line.drop(peer, asset, chunk);
    if (waiting) {
      // Nothing of it has left: the peer owes nothing for it.
      peer.sentBytes -= waiting.bytes;
      giveBack(peer, waiting.swarm, waiting.bytes);
      this.#takeBack(peer, asset, chunk, waiting.bytes);
    } else if (this.#drop(peer, asset, chunk)) {
      this.#core.act({ type: 'cancel-upload', peer: peer.key, asset, chunk });
    } else return false;
    return true;
  }

  #drop(peer: Peer, asset: AssetKey, chunk: number): Upload | undefined {
    const upload = peer.uploads.drop(asset, chunk);
    if (!upload) return undefined;
    peer.promised--;
    this.#granting.ahead.rate.forget(upload.left);
    peer.deliveryRate.forget(upload.left);
    this.#takeBack(peer, asset, chunk, upload.left);
    return upload;
  }

  #takeBack(peer: Peer, asset: AssetKey, chunk: number, bytes: number): void {
    this.#core.commit(peer, -bytes);
    const theirs = peer.memberships.get(asset)?.have;
    const swarm = this.#core.assets.get(asset);
    if (swarm) swarm.givenBytes -= bytes;
    swarm?.passes?.takeBack(peer.key, chunk, theirs?.has(chunk) ?? false);
  }

  #reject(peer: Peer, asset: AssetKey, chunk: number, reason: RejectReason): void {
    this.#core.send(peer, { type: 'reject', asset, chunk, reason });
  }
}

/** What was granted for a chunk that never leaves counts against no limit. */
function giveBack(peer: Peer, swarm: AssetSwarm, bytes: number): void {
  peer.throttle.upload?.giveBack(bytes);
  swarm.throttle.upload?.giveBack(bytes);
}

/** The peer asked for the chunk, with whatever credit: it may have been offered with other credit. */
function giveOf(passes: OriginPasses, peer: Peer, swarm: AssetSwarm, chunk: number): void {
  for (const { offer } of peer.grants.values()) if (offer?.swarm === swarm) offer.chunks.delete(chunk);
  passes.give(peer.key, chunk, peer.memberships.get(swarm.key)?.have?.has(chunk));
}

function turnOf({ swarm, chunk }: Waiting): number {
  return swarm.passes?.turnOf(chunk) ?? 0;
}

function isFirstCopy({ swarm, chunk }: Waiting): boolean {
  return swarm.passes?.isFirstCopy(chunk) ?? false;
}

function faultOf(message: Request, swarm: AssetSwarm | undefined): Misbehaviour | undefined {
  let chunks = 0;
  for (const { from, count } of message.runs) {
    chunks += count;
    const isRun = Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count > 0;
    if (!isRun || (swarm && from + count > swarm.size)) {
      const what = `${count} chunks from ${from}`;
      return {
        code: 'ERR_PEER_OUT_OF_RANGE',
        message: `it asked for ${what} of ${swarm?.size ?? 'an asset'}`,
      };
    }
  }
  if (chunks <= MAX_CHUNKS_PER_GRANT) return undefined;
  return { code: 'ERR_PEER_FLOOD', message: `it asked for ${chunks} chunks at once` };
}
