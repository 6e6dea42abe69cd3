import type { MessageStream } from '@libp2p/interface';

const arrivals = new WeakMap<MessageStream, () => number>();

/**
 * Lets it be known whether anything comes in on the connection of a stream: a frame of another stream, the answer to a
 * ping, or a part of a record of TLS is a sign of life of the peer too. libp2p tells nobody of these.
 *
 * @param count a number that grows whenever something comes
 */
export function countArrivals(stream: MessageStream, count: () => number): void {
  arrivals.set(stream, count);
}

/** A number that has grown if something came in on the connection of a stream; undefined where that is not known. */
export function arrivalsOf(stream: MessageStream): number | undefined {
  return arrivals.get(stream)?.();
}
