import { chunkSizeFor } from './chunk-size.ts';

/**
 * Finds one chunk size that gives every file of a tree the CID it has. A file of many leaves fixes it; a file of one
 * leaf agrees with every size that is not smaller than the file.
 */
export class CommonChunkSize {
  #fixed: number | undefined;
  #conflict = false;
  #largestLeaf = 0;

  add({ leaves, size, chunkSize }: { leaves: number; size: number; chunkSize: number }): void {
    if (leaves <= 1) {
      this.#largestLeaf = Math.max(this.#largestLeaf, size);
      return;
    }
    this.#conflict ||= this.#fixed !== undefined && this.#fixed !== chunkSize;
    this.#fixed = chunkSize;
  }

  /** The size, or undefined where there is none. */
  get value(): number | undefined {
    if (this.#conflict) return undefined;
    if (this.#fixed === undefined) return chunkSizeFor(this.#largestLeaf * 1024);
    return this.#fixed >= this.#largestLeaf ? this.#fixed : undefined;
  }
}
