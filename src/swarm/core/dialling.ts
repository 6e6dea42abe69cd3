import {
  DIAL_BURST,
  DIAL_TIMEOUT_MS,
  DIALS_AT_ONCE,
  DIALS_PER_SEC,
  FRESH_DIAL_MS,
  LEAST_DIALS_AT_ONCE,
  USUAL_DIALS,
} from './constants.ts';
import type { AssetKey, PeerKey } from './messages.ts';

/** Weight of a dial that came through in what is usual. */
const SMOOTHING = 1 / 4;

/**
 * Dials under way, and how many more there may be. A handshake costs both ends processor time, and where that is short
 * many at once all take longer than a transport waits: the work is lost, and is begun again. So dials that take long are
 * fewer at a time, and are waited for.
 */
export class Dialling {
  /** Since when, and for which asset's swarm. */
  readonly #underWay = new Map<PeerKey, { atMs: number; asset: AssetKey }>();
  #tokens = DIAL_BURST;
  #tokensAtMs = 0;
  /** How long a dial takes that comes through. Before the first has: as long as it may without holding up others. */
  #usualMs = FRESH_DIAL_MS;

  get size(): number {
    return this.#underWay.size;
  }

  /** Those for one asset's swarm. */
  sizeFor(asset: AssetKey): number {
    let size = 0;
    for (const dial of this.#underWay.values()) if (dial.asset === asset) size++;
    return size;
  }

  /** How long a dial usually takes, of those that came through. */
  get usualMs(): number {
    return this.#usualMs;
  }

  has(peer: PeerKey): boolean {
    return this.#underWay.has(peer);
  }

  /** Whether another dial may begin now. @param most at once, with it */
  mayBegin(nowMs: number, most: number): boolean {
    const refill = ((nowMs - this.#tokensAtMs) / 1000) * DIALS_PER_SEC;
    this.#tokens = Math.min(DIAL_BURST, this.#tokens + refill);
    this.#tokensAtMs = nowMs;
    return this.#tokens >= 1 && this.#fresh(nowMs) < Math.min(most, this.#atOnce);
  }

  begin(peer: PeerKey, asset: AssetKey, nowMs: number): void {
    this.#tokens--;
    this.#underWay.set(peer, { atMs: nowMs, asset });
  }

  /** The peer is connected, whoever dialled. @returns the asset it was dialled for, where it was */
  connected(peer: PeerKey, nowMs: number): AssetKey | undefined {
    const dial = this.#underWay.get(peer);
    if (!dial) return undefined;
    this.#underWay.delete(peer);
    this.#usualMs += SMOOTHING * (nowMs - dial.atMs - this.#usualMs);
    return dial.asset;
  }

  failed(peer: PeerKey): void {
    this.#underWay.delete(peer);
  }

  /** Those of which nobody has said what became of them. */
  forgotten(nowMs: number): PeerKey[] {
    const peers: PeerKey[] = [];
    for (const [peer, { atMs }] of this.#underWay) if (nowMs - atMs > DIAL_TIMEOUT_MS) peers.push(peer);
    return peers;
  }

  get #atOnce(): number {
    const many = Math.round((DIALS_AT_ONCE * FRESH_DIAL_MS) / this.#usualMs);
    return Math.min(DIALS_AT_ONCE, Math.max(LEAST_DIALS_AT_ONCE, many));
  }

  /** Dials that may still come through: one that is older may be to somebody who is gone. */
  #fresh(nowMs: number): number {
    const freshMs = Math.max(FRESH_DIAL_MS, USUAL_DIALS * this.#usualMs);
    let fresh = 0;
    for (const { atMs } of this.#underWay.values()) if (nowMs - atMs < freshMs) fresh++;
    return fresh;
  }
}
