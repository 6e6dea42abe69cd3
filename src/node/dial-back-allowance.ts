const MINUTE_MS = 60_000;

/** Dials to one host a minute. A node asks each peer once in ten minutes; an office behind one address has several nodes. */
const PER_HOST = 6;

/** Dials a minute to all. */
const OVERALL = 60;

/** Dials at a time: each holds a connection. */
const AT_ONCE = 8;

/**
 * How often this node dials for others, so that nobody uses it to knock at many ports. By the host that is dialled, which is
 * the one that asks: peer ids cost nothing.
 */
export class DialBackAllowance {
  /** Of the last minute. */
  #taken: { host: string; atMs: number }[] = [];
  #running = 0;

  /** Takes leave for one dial, to be disposed of when its connection has ended; undefined: not now. */
  take(host: string, nowMs: number): Disposable | undefined {
    this.#taken = this.#taken.filter(({ atMs }) => atMs > nowMs - MINUTE_MS);
    if (this.#running >= AT_ONCE || this.#taken.length >= OVERALL) return undefined;
    if (this.#taken.filter((each) => each.host === host).length >= PER_HOST) return undefined;
    this.#taken.push({ host, atMs: nowMs });
    this.#running++;
    return { [Symbol.dispose]: () => void this.#running-- };
  }
}
