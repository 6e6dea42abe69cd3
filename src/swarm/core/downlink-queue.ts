import { RecentLeast } from './recent-least.ts';

/** What comes is looked at over so long: a burst that lay in some buffer is not the downlink's speed. */
const PERIOD_MS = 2000;

/** What the downlink can do is the best period of the last one to two of these. */
const BEST_MS = 60_000;

/** Who has sent something so lately has what it was asked for on its way. */
const LATELY_MS = 10_000;

/** What is looked at in a peer. */
interface Sender {
  readonly requestedBytes: number;
  /** 0: never. */
  readonly lastDataAtMs: number;
}

/**
 * How long what was asked of others stands before this node's own downlink. Where that is slow, and many neighbours give credit, all
 * of them send at once, and each is late for the others' sake: to give up on one and ask another brings the chunk twice, and no
 * sooner. (A downlink of 1 Mbit/s, 20 neighbours, chunks of 1 MiB: 1.6 times the bound with a quarter of all that came twice,
 * and honest peers cut off; 1.1 with this.)
 */
export class DownlinkQueue {
  /** The least time that a byte took. */
  readonly #least = new RecentLeast(BEST_MS);
  #awaitedBytes = 0;
  #bytes = 0;
  #sinceMs = -Infinity;

  /** So many bytes of chunks came. */
  came(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Looks how much is on its way. Call it now and then. */
  look(nowMs: number, peers: Iterable<Sender>): void {
    this.#endPeriod(nowMs);
    this.#awaitedBytes = 0;
    for (const peer of peers) this.#awaitedBytes += onItsWay(nowMs, peer);
  }

  /** How long what is on its way from others than this peer takes; 0: nothing is known of the downlink. */
  aheadMs(nowMs: number, peer: Sender): number {
    const bytes = Math.max(0, this.#awaitedBytes - onItsWay(nowMs, peer));
    const leastMs = this.#least.value;
    return leastMs < Infinity ? bytes * leastMs : 0;
  }

  #endPeriod(nowMs: number): void {
    const sinceMs = nowMs - this.#sinceMs;
    if (sinceMs < PERIOD_MS) return;
    if (this.#bytes > 0 && sinceMs < Infinity) this.#least.note(nowMs, sinceMs / this.#bytes);
    this.#bytes = 0;
    this.#sinceMs = nowMs;
  }
}

function onItsWay(nowMs: number, { requestedBytes, lastDataAtMs }: Sender): number {
  if (requestedBytes === 0 || lastDataAtMs === 0) return 0;
  return nowMs - lastDataAtMs < LATELY_MS ? requestedBytes : 0;
}
