import { digestOf } from '../integrity/sha256.ts';
import type { Leaf } from './hash-leaves.ts';

/** Leaves hashed side by side: browsers hash on threads of their own. */
const PARALLEL_HASHES = 4;

/**
 * As in `hash-leaves.ts`, which this stands in for in browsers: they hash asynchronously, and only what is in one piece.
 * A leaf that lies within one piece is hashed where it lies; one that spans pieces is put together first.
 */
export function hashLeaves(chunkSize: number): (content: AsyncIterable<Uint8Array>) => AsyncIterable<Leaf[]> {
  return async function* (content) {
    const hashing: Promise<Leaf>[] = [];
    for await (const bytes of cut(content, chunkSize)) {
      hashing.push(leafOf(bytes));
      if (hashing.length >= PARALLEL_HASHES) yield [await (hashing.shift() as Promise<Leaf>)];
    }
    yield await Promise.all(hashing);
  };
}

async function leafOf(bytes: Uint8Array): Promise<Leaf> {
  return { digest: await digestOf(bytes), size: bytes.byteLength };
}

/** Cuts content into pieces of `chunkSize` bytes, the last one shorter. Empty content is one empty piece. */
async function* cut(content: AsyncIterable<Uint8Array>, chunkSize: number): AsyncGenerator<Uint8Array> {
  let open = new Uint8Array(0);
  let isEmpty = true;
  for await (const piece of content) {
    let pos = 0;
    while (pos < piece.byteLength) {
      const take = Math.min(chunkSize - open.byteLength, piece.byteLength - pos);
      const part = piece.subarray(pos, pos + take);
      pos += take;
      isEmpty = false;
      if (take === chunkSize) {
        yield part;
        continue;
      }
      const joined = new Uint8Array(open.byteLength + take);
      joined.set(open);
      joined.set(part, open.byteLength);
      if (joined.byteLength === chunkSize) yield joined;
      open = joined.byteLength === chunkSize ? new Uint8Array(0) : joined;
    }
  }
  if (open.byteLength > 0 || isEmpty) yield open;
}
