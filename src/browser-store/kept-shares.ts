import type { AssetType } from '../api.ts';
import type { PickedHandle } from '../browser-api.ts';
import type { KeptNode } from './page-records.ts';
import type { PageDatabase } from './page-database.ts';

/** What is kept of an asset that a page shares from handles, so that a later page can share it again. */
export interface KeptShare {
  v: 1;
  name: string | undefined;
  type: AssetType;
  /** Content bytes. */
  bytes: number;
  chunkSize: number | undefined;
  /** Each handle, and where in the asset it is; `''`: the asset itself. */
  handles: readonly { path: string; handle: PickedHandle }[];
  /** What each file was when it was hashed, by path in the asset. */
  stamps: ReadonlyMap<string, FileStamp>;
}

/** By what a file is known not to have changed. */
export interface FileStamp {
  size: number;
  lastModified: number;
}

/** What this site shares from handles, in its IndexedDB. The bytes stay where they are. */
export class KeptShares {
  readonly #db: PageDatabase;
  readonly #shares: Map<string, KeptShare>;

  private constructor(db: PageDatabase, shares: Map<string, KeptShare>) {
    this.#db = db;
    this.#shares = shares;
  }

  /** @param db closed by whoever opened it */
  static async load(db: PageDatabase): Promise<KeptShares> {
    return new KeptShares(db, await db.loadShares());
  }

  get all(): ReadonlyMap<string, KeptShare> {
    return this.#shares;
  }

  async put(root: string, share: KeptShare, nodes: Iterable<KeptNode>): Promise<void> {
    await this.#db.putShare(root, share, nodes);
    this.#shares.set(root, share);
  }

  /** Forgets it, and its nodes unless they are needed for what was fetched of it. */
  async delete(root: string, areNodesKept: boolean): Promise<void> {
    if (!this.#shares.delete(root)) return;
    await this.#db.deleteShare(root, areNodesKept);
  }

  nodes(root: string): Promise<Map<string, Uint8Array>> {
    return this.#db.nodesOf(root);
  }
}
