import { Allowance } from './allowance.ts';
import {
  BROKEN_PROMISES,
  LOOKS_BURST,
  LOOKS_PER_SEC,
  MAX_STRIKES,
  PROMISE_MS,
  USELESS_BURST,
  USELESS_PER_SEC,
} from './constants.ts';
import type { Misbehaviour } from './core.ts';

/** What was counted on a link that ended so long ago is forgiven: whoever it was, its trouble may be over. */
const FORGIVEN_MS = 600_000;

/** What is remembered of a peer's conduct when its link is gone. */
export interface PastConduct {
  readonly useless: number;
  readonly looks: number;
  readonly strikes: number;
  readonly broken: number;
  readonly brokenAtMs: number;
  readonly sinceMs: number;
}

/**
 * How a peer behaves, over all assets. Outright lies cost it the link at once and are not counted here; this counts
 * what honest peers do too, now and then:
 *
 * - **Useless messages** (a HAVE that says nothing new, credit that nobody can use, a decline of credit that it does
 *   not have …) draw on an allowance that fills with time and with what it gives and takes. Beyond it is a flood.
 * - **Strikes**: requests without credit. Each that had credit takes one off.
 * - **Broken promises**: it said it had a chunk, granted credit for it, and then sent nothing or a reject. All that
 *   breaks within ten seconds is one, for a stalled or restarted peer breaks many at once; any chunk that comes
 *   wipes them off, so that nobody is dropped for being slow.
 *
 * A link that ends does not wipe it off: what {@link past} gives goes into the conduct of the next link.
 */
export class Conduct {
  /** Chunks that may be looked at for its credit without finding one: with none left the credit is declined unseen. */
  readonly looks: Allowance;
  readonly #useless: Allowance;
  #strikes: number;
  #broken: number;
  #brokenAtMs: number;

  constructor(nowMs: number, past?: PastConduct) {
    const sinceMs = past?.sinceMs ?? nowMs;
    this.#useless = new Allowance(USELESS_PER_SEC, USELESS_BURST, sinceMs, past?.useless);
    this.looks = new Allowance(LOOKS_PER_SEC, LOOKS_BURST, sinceMs, past?.looks);
    const isRecent = past !== undefined && nowMs - past.sinceMs < FORGIVEN_MS;
    this.#strikes = isRecent ? past.strikes : 0;
    this.#broken = isRecent ? past.broken : 0;
    this.#brokenAtMs = past?.brokenAtMs ?? -Infinity;
  }

  /** Promises it broke since it last kept one. */
  get broken(): number {
    return this.#broken;
  }

  past(nowMs: number): PastConduct {
    const [useless, looks] = [this.#useless.left, this.looks.left];
    const [strikes, broken, brokenAtMs] = [this.#strikes, this.#broken, this.#brokenAtMs];
    return { useless, looks, strikes, broken, brokenAtMs, sinceMs: nowMs };
  }

  /**
   * It sent something of no use.
   *
   * @param cost 1 for an ordinary message, more for one that is more work
   */
  wasted(nowMs: number, what: string, cost = 1): Misbehaviour | undefined {
    if (this.#useless.spend(nowMs, cost)) return undefined;
    return { code: 'ERR_PEER_FLOOD', message: `it sent ${what} over and over` };
  }

  /** It asked for a chunk without credit. */
  struck(): Misbehaviour | undefined {
    if (++this.#strikes <= MAX_STRIKES) return undefined;
    return { code: 'ERR_PEER_FLOOD', message: 'it kept asking for more than it was granted' };
  }

  /** It asked for a chunk that it had credit for, or took one in: more of the rest is forgiven. */
  wasUseful(): void {
    this.#strikes = Math.max(0, this.#strikes - 1);
    this.#useless.giveBack(1);
  }

  /** A chunk of it was verified. */
  kept(bytes: number): void {
    this.#broken = 0;
    this.#useless.giveBack(2);
    this.looks.giveBack(bytes);
  }

  /** What it was asked for, with credit of its own, did not come. */
  brokePromise(nowMs: number): Misbehaviour | undefined {
    if (nowMs - this.#brokenAtMs < PROMISE_MS) return undefined;
    this.#brokenAtMs = nowMs;
    if (++this.#broken <= BROKEN_PROMISES) return undefined;
    return {
      code: 'ERR_PEER_BROKEN_PROMISES',
      message: `it granted credit for chunks ${this.#broken} times in a row and sent none of them`,
    };
  }
}
