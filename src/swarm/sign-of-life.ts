import type { Stream } from '@libp2p/interface';

const arrivals = new WeakMap<Stream, () => number>();

/**
 * Lets it be known whether anything comes in on the connection of a stream: a frame of another stream, or the answer to a
 * ping, is a sign of life of the peer too. libp2p tells nobody of these.
 *
 * @param count how many times something came so far
 */
export function countArrivals(stream: Stream, count: () => number): void {
  arrivals.set(stream, count);
}

/** How many times something came in on the connection of a stream; undefined where that is not known. */
export function arrivalsOf(stream: Stream): number | undefined {
  return arrivals.get(stream)?.();
}
