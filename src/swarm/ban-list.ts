import { keepNewest } from './core/keep-newest.ts';
import type { PeerKey } from './core/messages.ts';

/** A peer that lied is not talked to for so long: ten minutes outlast any download's need for it. */
export const BAN_MS = 600_000;

/** Peers remembered; the oldest makes room. New identities cost nothing, so a longer list would not help. */
const MAX_BANNED = 4096;

/** Peers that lied or broke the protocol, each for {@link BAN_MS}. */
export class BanList {
  readonly #untilMs = new Map<PeerKey, number>();

  add(nowMs: number, peer: PeerKey): void {
    keepNewest(this.#untilMs, peer, nowMs + BAN_MS, MAX_BANNED);
  }

  has(nowMs: number, peer: PeerKey): boolean {
    const untilMs = this.#untilMs.get(peer);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#untilMs.delete(peer);
    return false;
  }
}
