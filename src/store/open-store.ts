import { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { AssetEntry } from './asset-entry.ts';
import { Catalog, type EncodedBlock } from './catalog.ts';
import { checkShareName } from './check-share-name.ts';
import { openDataFolder, type DataFolder, type Log } from './data-folder.ts';
import type { ResumeOptions } from './copy-chunks.ts';
import { Downloads } from './downloads.ts';
import { FileWorkers } from './file-workers.ts';
import { deleteReplaced } from './finish-download.ts';
import { GatheredPuts } from './gathered-puts.ts';
import { HandlePool } from './handle-pool.ts';
import { KeyLock } from './key-lock.ts';
import { OpenAsset, type Content, type LiveDownload } from './open-asset.ts';
import { beyondRepair, damageWarning } from './open-index.ts';
import { deleteForGood } from './partial-tree.ts';
import type { PlacedContent } from './placed-content.ts';
import { removeEnded, removeUnrecorded } from './placing.ts';
import { recheck } from './recheck.ts';
import { shareContent, sharePath } from './share-source.ts';
import { SmallFiles } from './small-files.ts';
import type {
  AssetRecord,
  ContentSource,
  DownloadOptions,
  Recheck,
  ShareOptions,
  Store,
  StoredAsset,
} from './store.ts';

/** What {@link openStore} takes besides the folder. */
export interface OpenStoreOptions {
  signal?: AbortSignal;
  log?: Log;
}

/**
 * Opens a data folder, which this process then owns until `close`; makes it where there is none.
 *
 * @param dataDir its path
 * @throws ERR_DATA_DIR_IN_USE where another process owns it, ERR_DATA_DIR_VERSION, ERR_INDEX_CORRUPT where its index
 * could not be repaired, ERR_READ_ONLY, ERR_ACCESS, ERR_DISK_FULL, ERR_IO
 */
export async function openStore(dataDir: string, options: OpenStoreOptions = {}): Promise<Store> {
  options.signal?.throwIfAborted();
  const log = options.log ?? (() => {});
  const { folder, entries } = await load(dataDir, options, log, false);
  const catalog = new Catalog(folder, new HandlePool(), new SmallFiles(new FileWorkers()), entries);
  for (const [root, { aside }] of entries)
    if (aside !== undefined) await deleteReplaced(catalog, log, CID.parse(root));
  return new FolderStore(catalog, log);
}

/** Opens the folder and reads its list. Damage that only shows in reading is repaired at once, and then read again. */
async function load(
  dataDir: string,
  options: OpenStoreOptions,
  log: Log,
  mustRepair: boolean,
): Promise<{ folder: DataFolder; entries: Map<string, AssetEntry> }> {
  const folder = await openDataFolder(dataDir, mustRepair);
  try {
    let isWhole = !folder.damage;
    const entries = await folder.index.loadRecords((root) => {
      isWhole = false;
      log('error', `the index has a damaged record of ${root}; share or get it again`);
    });
    await folder.index.deleteOrphans(entries.values());
    await removeUnrecorded(folder.path, entries, isWhole);
    await removeEnded(folder.path, entries, log);
    options.signal?.throwIfAborted();
    if (folder.damage) log('warn', damageWarning(folder.path, folder.damage, entries.size));
    return { folder, entries };
  } catch (error) {
    await folder.index.close();
    if (!(error instanceof ShoalError) || error.code !== 'ERR_INDEX_CORRUPT') throw error;
    if (folder.damage) throw beyondRepair(folder.path, error);
  }
  return load(dataDir, options, log, true);
}

/** The store of one data folder. */
class FolderStore implements Store {
  readonly #catalog: Catalog;
  readonly #downloads: Downloads;
  readonly #log: Log;
  /** Held by whatever changes an asset's record or files. */
  readonly #lock = new KeyLock();
  /** Nodes of each root that go into the index together: those that come while others are written. */
  readonly #puts = new GatheredPuts<EncodedBlock>(this.#lock);
  /** What reads or writes files without a lock: imports, and the hashing of whole assets. */
  readonly #working = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(catalog: Catalog, log: Log) {
    this.#catalog = catalog;
    this.#downloads = new Downloads(catalog, log);
    this.#log = log;
  }

  get dataDir(): string {
    return this.#catalog.folder.path;
  }

  identity(): Promise<Uint8Array> {
    return this.#catalog.folder.identity();
  }

  getSetting(key: string): Promise<Uint8Array | undefined> {
    return this.#catalog.folder.index.getSetting(key);
  }

  putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    return this.#catalog.folder.index.putSetting(key, value);
  }

  async *list(): AsyncGenerator<AssetRecord> {
    for (const text of this.#catalog.roots()) {
      const record = await this.get(CID.parse(text));
      if (record) yield record;
    }
  }

  async get(root: CID): Promise<AssetRecord | undefined> {
    const record = this.#catalog.record(root);
    if (record?.state !== 'partial') return record;
    return { ...record, bytesHere: await this.#downloads.bytesHere(root) };
  }

  async getNode(root: CID, node: CID): Promise<Uint8Array | undefined> {
    return this.#catalog.getNode(root, node);
  }

  async putNode(root: CID, node: CID, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    await this.#puts.add(root.toString(), { cid: node, bytes }, (nodes) =>
      this.#catalog.putNodes(root, nodes),
    );
  }

  async open(root: CID, options: ResumeOptions = {}): Promise<StoredAsset | undefined> {
    this.#checkOpen();
    const open = async (): Promise<StoredAsset | undefined> => {
      const manifest = await this.#catalog.loadManifest(root, options.signal);
      return manifest && this.#open(root, manifest, options);
    };
    return this.#lock.run(root.toString(), open, options.signal);
  }

  async recheck(root: CID, options: ResumeOptions = {}): Promise<Recheck | undefined> {
    this.#checkOpen();
    return this.#whileOpen(recheck(this.#catalog, this.#downloads, this.#lock, root, options));
  }

  async startDownload(root: CID, options: DownloadOptions): Promise<StoredAsset> {
    this.#checkOpen();
    const start = async (): Promise<StoredAsset> => {
      const manifest = await this.#loadForDownload(root, options.signal);
      // What lies there already, as it was, is done: whoever was not told so before it was killed asks again. Whoever forces it
      // may know that what looks as it was is damaged.
      const mayBeThere = options.path === undefined || !options.force;
      const here =
        mayBeThere && (await this.#catalog.openPlace(root, manifest, options).catch(() => undefined));
      if (here) return this.#handle(manifest, { kind: 'placed', placed: here });
      const live = await this.#downloads.start(root, manifest, options);
      if (live) return this.#handle(manifest, { kind: 'live', live });
      const placed = await this.#catalog.openPlace(root, manifest, { signal: options.signal });
      if (!placed) throw unknownAsset(root);
      return this.#handle(manifest, { kind: 'placed', placed });
    };
    return this.#lock.run(root.toString(), start, options.signal);
  }

  async share(source: string | ContentSource, options: ShareOptions = {}): Promise<AssetRecord> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    checkShareName(options.name);
    return this.#whileOpen(
      typeof source === 'string'
        ? sharePath(this.#catalog, this.#lock, source, options)
        : shareContent(this.#catalog, this.#lock, source, options),
    );
  }

  async remove(root: CID): Promise<void> {
    this.#checkOpen();
    await this.#lock.run(root.toString(), async () => {
      const entry = this.#catalog.entry(root);
      if (!entry) return;
      if (entry.download) await this.#downloads.discard(root, entry.download);
      await deleteForGood(this.#catalog.folder.contentPath(root));
      await this.#catalog.delete(root, entry);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The store is not closed before `work` has ended, however it ends: it has files open, and some of its own to delete. */
  async #whileOpen<T>(work: Promise<T>): Promise<T> {
    this.#working.add(work);
    try {
      return await work;
    } finally {
      this.#working.delete(work);
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#working);
    await this.#lock.idle();
    // What cannot be closed is told of, and does not keep the folder from the next who opens it.
    try {
      await this.#downloads.close();
    } finally {
      await this.#catalog.pool.close();
      await this.#catalog.small.workers.close();
      await this.#catalog.folder.index.close();
    }
  }

  async #open(root: CID, manifest: Manifest, options: ResumeOptions): Promise<StoredAsset | undefined> {
    let failure: unknown;
    try {
      const placed = await this.#catalog.openPlace(root, manifest, options);
      if (placed) return this.#handle(manifest, { kind: 'placed', placed });
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = error;
    }
    const live = await this.#downloads.resume(root, manifest, options);
    if (live) return this.#handle(manifest, { kind: 'live', live });
    // A download whose last step had been taken before the process was killed is a place by now.
    const placed = failure === undefined && (await this.#catalog.openPlace(root, manifest, options));
    if (placed) return this.#handle(manifest, { kind: 'placed', placed });
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async #loadForDownload(root: CID, signal: AbortSignal | undefined): Promise<Manifest> {
    if (!this.#catalog.entry(root)) throw unknownAsset(root);
    // A place that is not what it was is no reason not to fetch the asset again.
    const manifest = await this.#catalog.loadManifest(root, signal).catch((error: unknown) => {
      if (error instanceof ShoalError && error.code === 'ERR_FILE_CHANGED') return undefined;
      throw error;
    });
    if (manifest) return manifest;
    throw new ShoalError(
      'ERR_INCOMPLETE',
      `not all nodes of ${root.toString()} are here yet; fetch them first`,
    );
  }

  #handle(manifest: Manifest, content: Content): OpenAsset {
    return new OpenAsset(this.#host, manifest, content);
  }

  readonly #host = {
    finish: (root: CID, manifest: Manifest, live: LiveDownload, force: boolean): Promise<void> =>
      this.#lock.run(root.toString(), () => this.#downloads.finish(root, manifest, live, force)),
    places: (manifest: Manifest): AsyncIterable<PlacedContent> => this.#catalog.places(manifest),
    onElsewhere: (failure: unknown, { path }: PlacedContent): void => {
      const where = path ?? 'what lies in the data folder';
      this.#log(
        'warn',
        `${failure instanceof Error ? failure.message : String(failure)}; ${where} is served in its place`,
      );
    },
    closed: async (root: CID, content: Content): Promise<void> => {
      if (content.kind === 'placed') await content.placed.close();
      else await this.#lock.run(root.toString(), () => this.#downloads.release(root, content.live));
    },
  };

  #checkOpen(): void {
    if (this.#closing)
      throw new ShoalError('ERR_CLOSED', 'the data folder has been closed', { fault: 'none' });
  }
}

function unknownAsset(root: CID): ShoalError {
  return new ShoalError(
    'ERR_UNKNOWN_ASSET',
    `the data folder knows nothing of ${root.toString()}; fetch its root first`,
  );
}
