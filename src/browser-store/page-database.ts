import { ShoalError } from '../errors.ts';
import type { KeptShare } from './kept-shares.ts';
import type { KeptNode, KeptRecord, PageRecords } from './page-records.ts';

const NAME = 'shoal';
const VERSION = 1;

/** The stores of the database. `nodes` and `chunks` have the asset's text CID first in their keys. */
const ASSETS = 'assets';
const NODES = 'nodes';
const SETTINGS = 'settings';
const CHUNKS = 'chunks';

/**
 * Begins the keys of shares among the settings. A store of their own would take a higher version of the database, which an
 * older Shoal on the same site could not open any more.
 */
const SHARE = 'share:';

/**
 * The page's IndexedDB: the records of its assets, interior nodes and settings, and chunks where there is no better place
 * for them. Every method is one transaction, so that whatever the page dies of, a record is whole.
 */
export class PageDatabase implements PageRecords {
  /** The connection; undefined since the browser took it away. */
  #opened: Promise<IDBDatabase> | undefined;
  #isClosed = false;
  #nodes: IDBObjectStore | undefined;

  /** @throws the browser's own error, where it has no IndexedDB for this page */
  static async open(): Promise<PageDatabase> {
    const database = new PageDatabase();
    await database.#open(true);
    return database;
  }

  async load(): Promise<Map<string, KeptRecord>> {
    const records = new Map<string, KeptRecord>();
    for (const [key, value] of await this.#entries(ASSETS)) {
      const record = value as Partial<KeptRecord> | undefined;
      // What another version wrote is left alone.
      if (typeof key === 'string' && record?.v === 1) records.set(key, record as KeptRecord);
    }
    return records;
  }

  async put(root: string, record: KeptRecord): Promise<void> {
    await this.#change([ASSETS], (tx) => tx.objectStore(ASSETS).put(record, root));
  }

  async delete(root: string): Promise<void> {
    await this.#change([ASSETS, NODES], (tx) => {
      tx.objectStore(ASSETS).delete(root);
      tx.objectStore(NODES).delete(below(root));
    });
  }

  async getNode(root: string, node: string): Promise<Uint8Array | undefined> {
    const db = await this.#connection();
    // All that are asked for in one turn are one transaction: a directory can have thousands.
    if (!this.#nodes) {
      this.#nodes = this.#begin(db, [NODES], 'readonly').objectStore(NODES);
      queueMicrotask(() => (this.#nodes = undefined));
    }
    return bytesOf(await resultOf(this.#nodes.get([root, node])));
  }

  async putNodes(root: string, nodes: readonly KeptNode[]): Promise<void> {
    await this.#change([NODES], (tx) => {
      for (const { node, bytes } of nodes) tx.objectStore(NODES).put(bytes, [root, node]);
    });
  }

  async getSetting(key: string): Promise<Uint8Array | undefined> {
    return bytesOf(await resultOf((await this.#read(SETTINGS)).get(key)));
  }

  async putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    await this.#change([SETTINGS], (tx) => {
      if (value) tx.objectStore(SETTINGS).put(value, key);
      else tx.objectStore(SETTINGS).delete(key);
    });
  }

  async loadShares(): Promise<Map<string, KeptShare>> {
    const shares = new Map<string, KeptShare>();
    const range = IDBKeyRange.bound(SHARE, `${SHARE}\uffff`);
    for (const [key, value] of await this.#entries(SETTINGS, range)) {
      const share = value as Partial<KeptShare> | undefined;
      if (share?.v === 1) shares.set((key as string).slice(SHARE.length), share as KeptShare);
    }
    return shares;
  }

  async putShare(root: string, share: KeptShare, nodes: Iterable<KeptNode>): Promise<void> {
    await this.#change([SETTINGS, NODES], (tx) => {
      tx.objectStore(SETTINGS).put(share, SHARE + root);
      for (const { node, bytes } of nodes) tx.objectStore(NODES).put(bytes, [root, node]);
    });
  }

  async deleteShare(root: string, areNodesKept: boolean): Promise<void> {
    await this.#change([SETTINGS, NODES], (tx) => {
      tx.objectStore(SETTINGS).delete(SHARE + root);
      if (!areNodesKept) tx.objectStore(NODES).delete(below(root));
    });
  }

  /** All nodes that are here of an asset, by text CID. */
  async nodesOf(root: string): Promise<Map<string, Uint8Array>> {
    const nodes = new Map<string, Uint8Array>();
    for (const [key, value] of await this.#entries(NODES, below(root))) {
      const bytes = bytesOf(value);
      if (bytes) nodes.set((key as [string, string])[1], bytes);
    }
    return nodes;
  }

  async getChunk(root: string, chunk: number): Promise<Uint8Array | undefined> {
    return bytesOf(await resultOf((await this.#read(CHUNKS)).get([root, chunk])));
  }

  async putChunk(root: string, chunk: number, bytes: Uint8Array): Promise<void> {
    await this.#change([CHUNKS], (tx) => tx.objectStore(CHUNKS).put(bytes, [root, chunk]));
  }

  async deleteChunks(root: string, chunk?: number): Promise<void> {
    await this.#change([CHUNKS], (tx) =>
      tx.objectStore(CHUNKS).delete(chunk === undefined ? below(root) : [root, chunk]),
    );
  }

  /** The numbers of an asset's chunks that are here. */
  async chunksOf(root: string): Promise<number[]> {
    const keys = await resultOf((await this.#read(CHUNKS)).getAllKeys(below(root)));
    return keys.map((key) => (key as [string, number])[1]);
  }

  async countChunks(root: string): Promise<number> {
    return resultOf((await this.#read(CHUNKS)).count(below(root)));
  }

  /** The assets of which a chunk is here. */
  async rootsOfChunks(): Promise<string[]> {
    const roots: string[] = [];
    const store = await this.#read(CHUNKS);
    let range: IDBKeyRange | undefined;
    for (;;) {
      const cursor = await resultOf(store.openKeyCursor(range));
      if (!cursor) return roots;
      const [root] = cursor.key as [string, number];
      roots.push(root);
      range = IDBKeyRange.lowerBound([root, []], true);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const db = await this.#opened?.catch(() => undefined);
    db?.close();
  }

  /** All keys of a store, or those in a range, each with its value. */
  async #entries(name: string, range?: IDBKeyRange): Promise<[IDBValidKey, unknown][]> {
    const store = await this.#read(name);
    const [keys, values] = await Promise.all([
      resultOf(store.getAllKeys(range)),
      resultOf<unknown[]>(store.getAll(range)),
    ]);
    return keys.map((key, i) => [key, values[i]]);
  }

  /**
   * The open connection, or a new one where the browser ended it: iOS does so while the page is in the background, others
   * after an error of their storage.
   *
   * @throws ERR_CLOSED; ERR_IO where it was deleted
   */
  async #connection(): Promise<IDBDatabase> {
    if (this.#isClosed) throw closed();
    if (this.#opened) return this.#opened;
    try {
      return await this.#open(false);
    } catch (cause) {
      if ((cause as Error).name !== 'AbortError') throw cause;
      throw new ShoalError(
        'ERR_IO',
        "what this page keeps was deleted while it was open, as by whoever clears the site's data; open the page anew",
        { cause },
      );
    }
  }

  #begin(db: IDBDatabase, stores: string[], mode: IDBTransactionMode): IDBTransaction {
    try {
      return db.transaction(stores, mode);
    } catch (error) {
      throw this.#isClosed ? closed() : error;
    }
  }

  /** @param mayMake whether there may be none yet. One that is gone later was deleted: records without their nodes are no use */
  #open(mayMake: boolean): Promise<IDBDatabase> {
    const lost = (): void => (this.#opened = undefined);
    const opened = openDatabase(mayMake, lost);
    this.#opened = opened;
    opened.catch(lost);
    return opened;
  }

  async #read(store: string): Promise<IDBObjectStore> {
    const db = await this.#connection();
    return this.#begin(db, [store], 'readonly').objectStore(store);
  }

  async #change(stores: string[], change: (tx: IDBTransaction) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const db = await this.#connection();
    const tx = this.#begin(db, stores, 'readwrite');
    tx.addEventListener('complete', () => resolve());
    tx.addEventListener('abort', () => reject(tx.error ?? new Error('the browser gave the change up')));
    change(tx);
    await unlessEnded(db, promise);
  }
}

async function openDatabase(mayMake: boolean, onLost: () => void): Promise<IDBDatabase> {
  const opening = indexedDB.open(NAME, VERSION);
  opening.addEventListener('upgradeneeded', () => {
    if (!mayMake) {
      opening.transaction?.abort();
      return;
    }
    const db = opening.result;
    for (const store of [ASSETS, NODES, SETTINGS, CHUNKS]) db.createObjectStore(store);
  });
  const db = await resultOf(opening);
  // Another page deletes the database, or has a later version of it: this one is in nobody's way.
  db.addEventListener('versionchange', () => {
    // Nobody is told who closes it.
    onLost();
    db.close();
  });
  db.addEventListener('close', onLost);
  return db;
}

function closed(): ShoalError {
  return new ShoalError('ERR_CLOSED', 'the storage of this page has been closed', { fault: 'none' });
}

/** All keys of an asset: an array sorts behind every number and text. */
function below(root: string): IDBKeyRange {
  return IDBKeyRange.bound([root], [root, []]);
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  request.addEventListener('success', () => resolve(request.result));
  request.addEventListener('error', () => reject(request.error as DOMException));
  const db = request.transaction?.db;
  return db ? unlessEnded(db, promise) : promise;
}

/**
 * Where the browser ends a connection it gives up what was being done by it, and says so; but Chromium forgets what had just
 * begun when it deletes a site's data: that would be waited for for good.
 */
async function unlessEnded<T>(db: IDBDatabase, result: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const onClose = (): void =>
    ended.reject(new DOMException('the browser ended the connection to its database', 'AbortError'));
  db.addEventListener('close', onClose);
  try {
    return await Promise.race([result, ended.promise]);
  } finally {
    db.removeEventListener('close', onClose);
  }
}
