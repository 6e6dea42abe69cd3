import type { AssetRecord } from '../store/store.ts';
import type { SpaceKind } from './chunk-space.ts';
import type { MemoryBudget } from './memory-chunks.ts';

/** What is kept of an asset besides its nodes and chunks. */
export interface KeptRecord {
  v: 1;
  name?: string;
  type: AssetRecord['type'];
  /** Content bytes, bytes of the distinct chunks and their number; known from when the download began. */
  bytes?: number;
  chunkBytes?: number;
  chunks?: number;
  state: 'partial' | 'complete';
  /** Where its chunks lie; undefined: only nodes were ever fetched. */
  space?: SpaceKind;
}

/** An interior node, its bytes in memory of their own. */
export interface KeptNode {
  /** Its text CID. */
  node: string;
  bytes: Uint8Array;
}

/** Where the records, interior nodes and settings of a page lie. Each change is whole or not there. */
export interface PageRecords {
  /** All records, by text CID. */
  load(): Promise<Map<string, KeptRecord>>;
  put(root: string, record: KeptRecord): Promise<void>;
  /** Forgets the record and its nodes. */
  delete(root: string): Promise<void>;
  getNode(root: string, node: string): Promise<Uint8Array | undefined>;
  putNodes(root: string, nodes: readonly KeptNode[]): Promise<void>;
  getSetting(key: string): Promise<Uint8Array | undefined>;
  putSetting(key: string, value: Uint8Array | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Records in memory, gone with the page. */
export class MemoryRecords implements PageRecords {
  readonly #budget: MemoryBudget | undefined;
  readonly #records = new Map<string, KeptRecord>();
  readonly #nodes = new Map<string, Map<string, Uint8Array>>();
  readonly #settings = new Map<string, Uint8Array>();

  /** @param budget what nodes count against */
  constructor(budget?: MemoryBudget) {
    this.#budget = budget;
  }

  async load(): Promise<Map<string, KeptRecord>> {
    return new Map([...this.#records].map(([root, record]) => [root, { ...record }]));
  }

  async put(root: string, record: KeptRecord): Promise<void> {
    this.#records.set(root, { ...record });
  }

  async delete(root: string): Promise<void> {
    this.#records.delete(root);
    for (const bytes of this.#nodes.get(root)?.values() ?? []) this.#budget?.give(bytes.byteLength);
    this.#nodes.delete(root);
  }

  async getNode(root: string, node: string): Promise<Uint8Array | undefined> {
    return this.#nodes.get(root)?.get(node);
  }

  async putNodes(root: string, nodes: readonly KeptNode[]): Promise<void> {
    const kept = this.#nodes.get(root) ?? new Map<string, Uint8Array>();
    this.#nodes.set(root, kept);
    for (const { node, bytes } of nodes) {
      if (kept.has(node)) continue;
      this.#budget?.take(root, bytes.byteLength);
      kept.set(node, bytes);
    }
  }

  async getSetting(key: string): Promise<Uint8Array | undefined> {
    return this.#settings.get(key);
  }

  async putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    if (value) this.#settings.set(key, value.slice());
    else this.#settings.delete(key);
  }

  async close(): Promise<void> {}
}
