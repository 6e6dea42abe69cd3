import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { EMPTY_DIGEST } from '../integrity/limits.ts';
import { sha256 } from '../integrity/sha256.ts';

/** A leaf as the tree needs it: no content. */
export interface Leaf {
  /** sha2-256, 32 bytes. */
  digest: Uint8Array;
  /** Content bytes. */
  size: number;
}

/**
 * A pipeline stage that cuts content into leaves of `chunkSize` bytes (the last one shorter) and hashes them.
 *
 * Nothing is copied and nothing is kept: a leaf that lies within one piece is hashed in one go, one that spans
 * pieces is hashed piece by piece. So memory is bounded whatever the pieces' sizes are, and the source may reuse
 * its buffer. Empty content is one empty leaf, as in every UnixFS importer.
 *
 * @returns the stage; it yields the leaves that each piece completed
 */
export function hashLeaves(chunkSize: number): (content: AsyncIterable<Uint8Array>) => AsyncIterable<Leaf[]> {
  return async function* (content) {
    const cutter = new LeafCutter(chunkSize);
    for await (const piece of content) {
      const leaves = cutter.push(piece);
      if (leaves.length > 0) yield leaves;
    }
    const last = cutter.end();
    if (last) yield [last];
  };
}

class LeafCutter {
  readonly #chunkSize: number;
  /** The leaf that has begun in an earlier piece, and how long it is so far. */
  #open: Hash | undefined;
  #openSize = 0;
  #any = false;

  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
  }

  push(piece: Uint8Array): Leaf[] {
    const leaves: Leaf[] = [];
    let pos = 0;
    while (pos < piece.byteLength) {
      const take = Math.min(this.#chunkSize - this.#openSize, piece.byteLength - pos);
      const part = piece.subarray(pos, pos + take);
      pos += take;
      if (take === this.#chunkSize) leaves.push(this.#leaf(sha256(part), take));
      else if (this.#append(part) === this.#chunkSize) leaves.push(this.#close());
    }
    return leaves;
  }

  end(): Leaf | undefined {
    if (this.#open) return this.#close();
    return this.#any ? undefined : this.#leaf(EMPTY_DIGEST, 0);
  }

  #append(part: Uint8Array): number {
    this.#open ??= createHash('sha256');
    this.#open.update(part);
    return (this.#openSize += part.byteLength);
  }

  #close(): Leaf {
    const leaf = this.#leaf((this.#open as Hash).digest(), this.#openSize);
    this.#open = undefined;
    this.#openSize = 0;
    return leaf;
  }

  #leaf(digest: Uint8Array, size: number): Leaf {
    this.#any = true;
    return { digest, size };
  }
}
