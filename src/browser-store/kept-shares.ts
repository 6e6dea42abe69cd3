import type { CID } from 'multiformats/cid';
import type { AssetType, LogLevel } from '../api.ts';
import type { PickedHandle } from '../browser-api.ts';
import type { AssetRecord } from '../store/store.ts';
import type { PageDatabase } from './page-database.ts';
import type { SharedFiles } from './shared-files.ts';

type Log = (level: LogLevel, message: string) => void;

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
  /** Paths of folders in which there was nothing. Undefined: it was shared without them, by a version that left them out. */
  emptyFolders?: readonly string[];
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
  readonly #log: Log;

  private constructor(db: PageDatabase, log: Log, shares: Map<string, KeptShare>) {
    this.#db = db;
    this.#log = log;
    this.#shares = shares;
  }

  /** @param db closed by whoever opened it */
  static async load(db: PageDatabase, log: Log): Promise<KeptShares> {
    return new KeptShares(db, log, await db.loadShares());
  }

  get all(): ReadonlyMap<string, KeptShare> {
    return this.#shares;
  }

  /** What is known of an asset that waits to be shared again. */
  recordOf(root: CID): AssetRecord | undefined {
    const share = this.#shares.get(root.toString());
    if (!share) return undefined;
    const { name, type, bytes } = share;
    return { root, name, type, bytes, bytesHere: 0, state: 'shared', path: undefined };
  }

  /** Keeps what is shared; where the browser cannot, that is logged, since sharing does not depend on it. */
  async keep({ manifest, nodes }: SharedFiles, share: KeptShare): Promise<void> {
    const root = manifest.root.toString();
    const kept = [...nodes].map(([node, bytes]) => ({ node, bytes }));
    try {
      await this.#db.putShare(root, share, kept);
      this.#shares.set(root, share);
    } catch (error) {
      const what = share.name ?? 'what is shared';
      this.#log('warn', `${what} cannot be shared again by a later page: ${String(error)}`);
    }
  }

  /** Forgets it, and its nodes unless they are needed for what was fetched of it. */
  async delete(root: string, areNodesKept: boolean): Promise<void> {
    if (!this.#shares.delete(root)) return;
    await this.#db.deleteShare(root, areNodesKept);
  }

  /** Those that the browser still has: the files tell of the others. */
  async nodes(root: string): Promise<Map<string, Uint8Array>> {
    try {
      return await this.#db.nodesOf(root);
    } catch (error) {
      this.#log('warn', `what was kept of ${root} cannot be read, so that its files are: ${String(error)}`);
      return new Map();
    }
  }
}
