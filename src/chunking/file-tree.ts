import type { CID } from 'multiformats/cid';
import { RAW_CODE, cidOf } from '../integrity/parse-cid.ts';
import { encodeFileNode } from './encode-node.ts';
import type { OnNode } from './encode-node.ts';
import type { Leaf } from './hash-leaves.ts';

/** What {@link FileTree.finish} gives. */
export interface FileRoot {
  cid: CID;
  /** Content bytes. */
  size: number;
  /** Content and interior nodes, bytes. */
  tsize: number;
  leaves: number;
  nodes: number;
}

/** The links that wait for a parent at one height, and how many nodes there have been at that height in all. */
interface Level {
  links: { cid: CID; tsize: number }[];
  sizes: number[];
  total: number;
}

/**
 * Builds the balanced tree over a file's leaves while they stream in: every node is full but the last one of each
 * level, and all leaves are equally deep, so that a lone trailing child gets a node of its own (IPIP-0499,
 * "balanced"). Holds at most `linksPerNode` links for each level.
 */
export class FileTree {
  readonly #linksPerNode: number;
  readonly #onNode: OnNode;
  readonly #levels: Level[] = [];
  #nodes = 0;

  constructor(linksPerNode: number, onNode: OnNode) {
    this.#linksPerNode = linksPerNode;
    this.#onNode = onNode;
  }

  /** @returns whether {@link settle} must be called before the next leaf: the lowest level is full */
  push({ digest, size }: Leaf): boolean {
    return this.#add(0, cidOf(RAW_CODE, digest), size, size);
  }

  /** Turns full levels into nodes, lowest first. */
  async settle(): Promise<void> {
    for (let height = 0; height < this.#levels.length; height++) {
      if (this.#level(height).links.length < this.#linksPerNode) return;
      await this.#close(height);
    }
  }

  /** Ends the file. At least one leaf must have been pushed. A single leaf is the root itself. */
  async finish(): Promise<FileRoot> {
    const leaves = this.#level(0).total;
    let height = 0;
    while (this.#level(height).total > 1) {
      if (this.#level(height).links.length > 0) await this.#close(height);
      height++;
    }
    const { links, sizes } = this.#level(height);
    const root = links[0] as { cid: CID; tsize: number };
    return { ...root, size: sizes[0] as number, leaves, nodes: this.#nodes };
  }

  async #close(height: number): Promise<void> {
    const level = this.#level(height);
    const { links, sizes } = level;
    level.links = [];
    level.sizes = [];
    const node = await encodeFileNode(links, sizes);
    const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
    this.#nodes++;
    this.#add(height + 1, node.cid, node.tsize, size);
    await this.#onNode(node.cid, node.bytes);
  }

  #add(height: number, cid: CID, tsize: number, size: number): boolean {
    const level = this.#level(height);
    level.links.push({ cid, tsize });
    level.sizes.push(size);
    level.total++;
    return level.links.length === this.#linksPerNode;
  }

  #level(height: number): Level {
    return (this.#levels[height] ??= { links: [], sizes: [], total: 0 });
  }
}
