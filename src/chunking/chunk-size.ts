import { ShoalError } from '../errors.ts';
import { MAX_LEAF_BYTES } from '../integrity/limits.ts';

/** The smallest chunk that can be chosen: below this the messages about a chunk outweigh it. */
export const MIN_CHUNK_SIZE = 1024;

/** The largest chunk: the leaf of the UnixFS profile `unixfs-v1-2025`. */
export const MAX_CHUNK_SIZE = MAX_LEAF_BYTES;

/** The smallest chunk that is chosen unasked. */
const MIN_DEFAULT = 64 * 1024;

/** About this many chunks make a file: enough to spread over a swarm (docs/protocol.md), few enough to keep track of. */
const CHUNKS_PER_FILE = 1024;

/**
 * The chunk size of a file of `bytes` bytes: `clamp(pow2ceil(bytes / 1024), 64 KiB, 1 MiB)`. It depends on nothing
 * else, so that the same bytes always get the same CID.
 */
export function chunkSizeFor(bytes: number): number {
  let size = MIN_DEFAULT;
  while (size < MAX_CHUNK_SIZE && size * CHUNKS_PER_FILE < bytes) size *= 2;
  return size;
}

/**
 * Checks a chunk size that somebody chose.
 *
 * @returns the size
 * @throws ERR_CHUNK_SIZE unless it is a power of two from 1 KiB to 1 MiB
 */
export function checkChunkSize(size: number): number {
  const isInBounds = Number.isInteger(size) && size >= MIN_CHUNK_SIZE && size <= MAX_CHUNK_SIZE;
  if (isInBounds && Number.isInteger(Math.log2(size))) return size;
  throw new ShoalError(
    'ERR_CHUNK_SIZE',
    `A chunk cannot have ${typeof size === 'number' ? size : `"${String(size)}" (${typeof size})`} bytes; choose a power of two from 1 KiB to 1 MiB`,
  );
}
