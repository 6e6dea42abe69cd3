import { Allowance } from './core/allowance.ts';
import { keepNewest } from './core/keep-newest.ts';
import type { PeerKey } from './core/messages.ts';

/**
 * Links that a peer may begin at once, and a second: each begins with allowances of its own, and has what the peer has counted
 * anew. An honest one begins another when the last has failed, or after half a minute. So many peers are remembered.
 */
const BEGUN_BURST = 32;
const BEGUN_PER_SEC = 1;
const BEGINNERS_KEPT = 1024;

/** Peers that began links on this node, and how many more each may. */
export class Beginners {
  /** The longest quiet first. */
  readonly #allowances = new Map<PeerKey, Allowance>();

  /** Counts a link that a peer begins. @returns whether it may */
  mayBegin(peer: PeerKey, nowMs: number): boolean {
    const allowance = this.#allowances.get(peer) ?? new Allowance(BEGUN_PER_SEC, BEGUN_BURST, nowMs);
    keepNewest(this.#allowances, peer, allowance, BEGINNERS_KEPT);
    return allowance.takeOne(nowMs);
  }
}
