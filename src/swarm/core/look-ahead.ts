import { LOOK_AHEAD_MARGIN_MS, MIN_GRANT_BYTES, NEXT_MS } from './constants.ts';
import type { Core } from './core.ts';
import { DeliveryRate } from './delivery-rate.ts';
import { isComplete } from './grant-terms.ts';
import type { Peer } from './peer.ts';
import { TimeLeft } from './time-left.ts';
import { UplinkWait } from './uplink-wait.ts';
import type { Acked } from './upload-queue.ts';

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

/** How much credit may be out at a time, and what it is told from: the uplink's rate, its idle moments, and the peers together. */
export class LookAhead {
  /** Of the whole uplink. */
  readonly rate = new DeliveryRate(SAMPLE_MS);
  readonly #wait = new UplinkWait();
  readonly #timeLeft = new TimeLeft();
  readonly #core: Core;
  #maxRttMs = 0;
  #completePeers = 0;
  #usualBytes = 0;
  #refreshedAtMs = -Infinity;

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * How many bytes may be granted or under way: what the uplink delivers while a grant becomes a request,
   * data and an acknowledgement (two round trips), with a margin, and one block to round up; longer where the uplink
   * was seen to idle, but not near the end, when the last chunks would wait in the queue. Too little leaves the uplink
   * idle, too much only queues.
   */
  bytes(): number {
    const { settings } = this.#core;
    const block = this.#blockBytes;
    this.#refresh();
    const loopMs = 2 * this.#maxRttMs + LOOK_AHEAD_MARGIN_MS;
    const queueMs = Math.max(loopMs, QUEUE_SHARE * this.#timeLeft.ms);
    const aheadMs = Math.min(this.#wait.boost * loopMs, queueMs);
    const rate = Math.min(this.rate.gain * this.rate.bytesPerSec, settings.uploadBytesPerSec ?? Infinity);
    // The first samples are of connections that are slow to start: what was allowed without them is allowed still.
    const first = this.rate.isStarting ? Math.max(0, settings.firstGrantBytes - block) : 0;
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
   * @returns false where they say nothing
   */
  acked(
    peer: Peer,
    { bytes, latest, begun, arrived }: Acked,
    wasStarved: boolean,
    cameAtMs: number,
  ): boolean {
    const { nowMs } = this.#core;
    // Nothing is acknowledged so soon: it is of a chunk that was given up before, and came all the same. As a sample it
    // would be an uplink of a gigabyte a second, for good, as nothing that is starved of work seems slower.
    if (peer.uploads.droppedBytes > 0 && nowMs - latest.sentAtMs < peer.rttMs) {
      this.rate.forget(bytes);
      peer.deliveryRate.forget(bytes);
      return false;
    }
    this.rate.acked(nowMs, bytes, latest.uplinkStamp, !this.#wait.isQueued);
    peer.deliveryRate.acked(nowMs, bytes, latest.peerStamp);
    // A chunk and its acknowledgement took a round trip and more. Pings wait behind data, and tell of queues.
    for (const { sentAtMs } of arrived) peer.measured(nowMs, nowMs - sentAtMs);
    const underWay = this.rate.inFlightBytes / latest.bytes;
    for (const { sentAtMs } of begun) {
      this.#wait.note(nowMs, peer.waited(nowMs, cameAtMs - sentAtMs), underWay, !wasStarved);
    }
    if (this.#wait.isQueued) this.rate.endStart(nowMs);
    return true;
  }

  /** Looks how long the neighbours still need. Call it now and then. */
  look(): void {
    this.#timeLeft.look(this.#core.nowMs, this.#core.assets.values());
  }

  /** The longest round trip among the peers that could be served. */
  get maxRttMs(): number {
    return this.#maxRttMs;
  }

  /** Peers that are complete. */
  get completePeers(): number {
    return this.#completePeers;
  }

  /** What a peer gave on average, of those who gave anything. */
  get usualBytes(): number {
    return this.#usualBytes;
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
