import type { ControlMessage } from './wire/control-message.ts';

type Grant = Extract<ControlMessage, { type: 'grant' }>;

/** Grants kept for each link: an honest peer sends no more than its look-ahead to somebody it knows nothing of. */
const MAX_HELD = 64;

/**
 * Credit that came before what it is for is active here: whoever is asked for a root's nodes grants at once, and the
 * nodes take a round trip more. To decline it would make the peer wait before it grants again.
 */
export class EarlyGrants<Link extends object> {
  readonly #nowMs: () => number;
  readonly #held = new WeakMap<Link, { grant: Grant; atMs: number }[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @returns false where there are too many: decline it */
  hold(link: Link, grant: Grant): boolean {
    const held = this.#held.get(link) ?? [];
    if (held.length >= MAX_HELD) return false;
    held.push({ grant, atMs: this.#nowMs() });
    this.#held.set(link, held);
    return true;
  }

  /** What was held for the link and still is good, each with what is left of its lease. */
  release(link: Link): Grant[] {
    const held = this.#held.get(link) ?? [];
    this.#held.delete(link);
    const nowMs = this.#nowMs();
    return held
      .map(({ grant, atMs }) => ({ ...grant, leaseMs: Math.floor(grant.leaseMs - (nowMs - atMs)) }))
      .filter(({ leaseMs }) => leaseMs > 0);
  }
}
