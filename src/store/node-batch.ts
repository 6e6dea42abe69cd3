import type { CID } from 'multiformats/cid';
import type { NodeIndex } from './node-index.ts';

/** Bytes of nodes written to the index at once: batches are several times as fast as single nodes. */
const BATCH_BYTES = 1024 * 1024;

/** Interior nodes on their way into the index. */
export class NodeBatch {
  readonly #index: NodeIndex;
  readonly #set: string;
  #nodes: { cid: CID; bytes: Uint8Array }[] = [];
  #bytes = 0;

  constructor(index: NodeIndex, set: string) {
    this.#index = index;
    this.#set = set;
  }

  async add(cid: CID, bytes: Uint8Array): Promise<void> {
    this.#nodes.push({ cid, bytes });
    this.#bytes += bytes.byteLength;
    if (this.#bytes >= BATCH_BYTES) await this.flush();
  }

  /** Writes what has not been written yet. */
  async flush(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    this.#bytes = 0;
    if (nodes.length > 0) await this.#index.putNodes(this.#set, nodes);
  }
}
