import { ChunkBuffers } from './chunk-buffers.ts';

const buffers = new ChunkBuffers();

/** Memory that came from here: nobody but its reader knows of it. */
const own = new WeakSet<ArrayBufferLike>();

/** What was lent to a connection, and how many bytes of it no socket has taken yet. */
const lent = new WeakMap<ArrayBufferLike, number>();

/**
 * Memory to read a chunk into: fresh, or of a chunk that was sent. What a sender reads lives until the socket has taken it,
 * through several collections of the young generation, and so ended in whole ones: a third of a sender's CPU time.
 *
 * @param onFresh told of memory that is new
 */
export function takeReadMemory(size: number, onFresh: (size: number) => void): Uint8Array {
  const bytes = buffers.take(size, onFresh);
  own.add(bytes.buffer);
  return bytes;
}

/**
 * The chunk is about to be sent to one peer, once, and nobody else has it or will look at it again: when sockets have taken
 * all of it, its memory is used again. Where they never do, or do not tell, it is garbage like any other.
 */
export function lendToSocket(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (own.has(buffer) && byteLength === buffer.byteLength) lent.set(buffer, byteLength);
}

/** Whether it matters when a socket has taken these bytes. */
export function isLent(bytes: Uint8Array): boolean {
  return lent.has(bytes.buffer);
}

/** A socket has taken the bytes, and will not read them again. */
export function takenBySocket(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const left = (lent.get(buffer) ?? Infinity) - bytes.byteLength;
  if (left > 0) {
    if (left < Infinity) lent.set(buffer, left);
    return;
  }
  lent.delete(buffer);
  buffers.give(new Uint8Array(buffer));
}
