import type { MessageStream } from '@libp2p/interface';
import type { AbstractMessageStream } from '@libp2p/utils';

const readers = new WeakMap<MessageStream, ((bytes: Uint8Array) => void) | undefined>();

/**
 * Gives what arrives on a stream straight to `read`, where the stream's owner knows of this (`lazy-yamux.ts`,
 * `tls-message-stream.ts`). Others dispatch an event with a list of one, through a buffer that is empty: for each record of
 * TLS, twice, that was a quarter of what a receiver's main thread did. Listeners for `message` are still needed: for what
 * was buffered before, and for streams of other owners.
 *
 * @param read gets memory that may be used again as soon as it returns; undefined: back to events
 */
export function readDirectly(stream: MessageStream, read: ((bytes: Uint8Array) => void) | undefined): void {
  readers.set(stream, read);
}

/** Hands bytes to who reads the stream directly. @returns false where they must go the stream's own way */
export function handDirectly(stream: AbstractMessageStream, bytes: Uint8Array): boolean {
  // Nothing may overtake what waits there, nor reach a reader that paused.
  if (stream.readStatus !== 'readable' || stream.readBufferLength > 0) return false;
  const read = readers.get(stream);
  read?.(bytes);
  return read !== undefined;
}
