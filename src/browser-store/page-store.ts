import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import { ShoalError } from '../errors.ts';
import { MAX_NODE_BYTES } from '../integrity/limits.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { GatheredPuts } from '../store/gathered-puts.ts';
import { KeyLock } from '../store/key-lock.ts';
import type {
  AssetRecord,
  ContentSource,
  DownloadOptions,
  Recheck,
  ShareOptions,
  Store,
  StoredAsset,
} from '../store/store.ts';
import { notLoaded } from '../not-loaded.ts';
import { ChunkLayout, type ChunkSpace } from './chunk-space.ts';
import { KeptAsset, type OnCheck } from './kept-asset.ts';
import { KeptNodes } from './kept-nodes.ts';
import type { KeptShare, KeptShares } from './kept-shares.ts';
import { PageHandle, type PageContent } from './page-handle.ts';
import type { KeptNode, KeptRecord, PageRecords } from './page-records.ts';
import type { SharedFiles } from './shared-files.ts';
import { RecentChunks } from './recent-chunks.ts';
import { storageError } from './storage-error.ts';

const IDENTITY_KEY = 'identity';

/** What a {@link PageStore} is made from. It closes them all. */
export interface PageStoreParts {
  records: PageRecords;
  /** The first one takes what is new; what an earlier page put into another stays there. */
  spaces: readonly [ChunkSpace, ...ChunkSpace[]];
  /** Where what is shared from handles is kept; undefined: it is not. */
  shares?: KeptShares;
  log: (level: LogLevel, message: string) => void;
  /** Called when the first asset is kept, and when none is left. */
  onKept?: (isAny: boolean) => void;
  /** Called where the browser deleted some of what was here whole: ERR_EVICTED. */
  onEvicted?: (root: CID, error: ShoalError) => void;
  /** Called before chunks are kept for the first time. */
  onFirstDownload?: () => void;
  /** Called last when the store closes. */
  onClosed?: () => void;
}

interface Live {
  asset: KeptAsset;
  users: number;
}

interface CheckOptions {
  signal?: AbortSignal;
  onCheck?: OnCheck;
}

/** The store of a page: what it fetched, wherever the browser lets it lie, and the files that it shares. */
export class PageStore implements Store {
  readonly dataDir = '';
  readonly #parts: PageStoreParts;
  readonly #nodes: KeptNodes;
  readonly #records: Map<string, KeptRecord>;
  /** Held by whatever changes an asset. */
  readonly #lock = new KeyLock();
  readonly #live = new Map<string, Live>();
  readonly #recent = new RecentChunks();
  readonly #shared = new Map<string, SharedFiles>();
  /** Nodes of each root that are kept in one go: those that come while others are written. */
  readonly #puts = new GatheredPuts<KeptNode>(this.#lock);
  #identity: Promise<Uint8Array> | undefined;
  #hasDownloaded = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: PageStoreParts, records: Map<string, KeptRecord>) {
    this.#parts = parts;
    this.#records = records;
    this.#nodes = new KeptNodes(parts.records);
  }

  /** Reads what is kept, and deletes chunks that no record knows of: a page may have died while it removed them. */
  static async open(parts: PageStoreParts): Promise<PageStore> {
    const records = await parts.records.load();
    for (const space of parts.spaces) {
      for (const root of await space.roots())
        if (records.get(root)?.space !== space.kind)
          await space.remove(root).catch((error: unknown) => {
            // The rest is as good as it was; the next page tries again.
            parts.log('warn', `what is left of ${root} was not deleted: ${String(error)}`);
          });
    }
    return new PageStore(parts, records);
  }

  identity(): Promise<Uint8Array> {
    this.#identity ??= this.#loadIdentity();
    return this.#identity;
  }

  async getSetting(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#parts.records.getSetting(key);
  }

  async putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    this.#checkOpen();
    await this.#parts.records.putSetting(key, value);
  }

  async *list(): AsyncGenerator<AssetRecord> {
    const shares = this.shares?.all.keys() ?? [];
    for (const text of new Set([...this.#shared.keys(), ...this.#records.keys(), ...shares])) {
      const record = await this.get(CID.parse(text));
      if (record) yield record;
    }
  }

  async get(root: CID): Promise<AssetRecord | undefined> {
    const text = root.toString();
    const shared = this.#shared.get(text);
    if (shared) {
      const { type, size: bytes, chunkBytes: bytesHere } = shared.manifest;
      return { root, name: shared.name, type, bytes, bytesHere, state: 'shared', path: undefined };
    }
    const record = this.#records.get(text);
    if (!record) return this.shares?.recordOf(root);
    const { name, type, bytes } = record;
    // What lies where this browser no longer looks is not here.
    const state = this.#spaceOf(record) ? record.state : 'partial';
    return {
      root,
      name,
      type,
      bytes,
      bytesHere: await this.#bytesHere(text, record),
      state,
      path: undefined,
    };
  }

  async getNode(root: CID, node: CID): Promise<Uint8Array | undefined> {
    const shared = this.#shared.get(root.toString());
    if (shared) return shared.node(node);
    return this.#records.has(root.toString()) ? this.#nodes.get(root, node) : undefined;
  }

  async putNode(root: CID, node: CID, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    if (bytes.byteLength > MAX_NODE_BYTES)
      throw new ShoalError('ERR_ASSET_TOO_LARGE', `a node of ${bytes.byteLength} bytes is too large to keep`);
    // A copy: what was handed in may be a part of a far larger receive buffer, which would be kept whole.
    const kept = { node: node.toString(), bytes: bytes.slice() };
    await this.#puts.add(root.toString(), kept, (nodes) => this.#putNodes(root, nodes));
  }

  async open(root: CID, options: CheckOptions = {}): Promise<StoredAsset | undefined> {
    this.#checkOpen();
    const shared = this.#shared.get(root.toString());
    options.signal?.throwIfAborted();
    if (shared) return shared.open();
    return this.#lock.run(root.toString(), async () => {
      const live = await this.#openLive(root, options);
      return live && this.#handle(root, live);
    });
  }

  async startDownload(root: CID, options: DownloadOptions): Promise<StoredAsset> {
    this.#checkOpen();
    const text = root.toString();
    const shared = this.#shared.get(text);
    if (shared) return shared.open();
    return this.#lock.run(text, async () => {
      options.signal?.throwIfAborted();
      const record = this.#records.get(text);
      if (!record) throw new ShoalError('ERR_UNKNOWN_ASSET', `nothing of ${text} is known here`);
      if (options.name !== undefined && record.name === undefined)
        await this.#put(text, Object.assign(record, { name: options.name }));
      const live =
        (await this.#openLive(root, options)) ?? (await this.#create(root, record, options.signal));
      return this.#handle(root, live);
    });
  }

  /** Takes content into memory, as one file, and shares it from there. */
  async share(source: string | ContentSource, options: ShareOptions = {}): Promise<AssetRecord> {
    if (typeof source === 'string')
      throw new ShoalError('ERR_SHARE_SOURCE', 'a page has no paths; share a File, or several');
    const parts: Blob[] = [];
    for await (const piece of source.content) parts.push(new Blob([piece as Uint8Array<ArrayBuffer>]));
    const { importFiles } = await import('./import-files.ts').catch(notLoaded);
    const { name = source.name, chunkSize, onProgress, signal } = options;
    const file = { path: '', file: new Blob(parts) };
    return this.addShared(await importFiles([file], { name, chunkSize, onProgress, signal }));
  }

  /** What is kept of earlier shares; undefined where nothing is. */
  get shares(): KeptShares | undefined {
    return this.#parts.shares;
  }

  /** Whether it is shared, and its files are what they were as far as that is known. */
  isShared(root: CID): boolean {
    return this.#shared.get(root.toString())?.isServed ?? false;
  }

  /**
   * Serves files where they lie, until the page goes.
   *
   * @param share what to keep, so that a later page can do so too
   * @param signal where it is aborted, nothing is served or kept that was not before
   */
  async addShared(shared: SharedFiles, share?: KeptShare, signal?: AbortSignal): Promise<AssetRecord> {
    const { root } = shared.manifest;
    const text = root.toString();
    await this.#lock.run(text, async () => {
      this.#checkOpen();
      signal?.throwIfAborted();
      const wasKept = this.shares?.all.has(text) ?? false;
      if (share) await this.shares?.keep(shared, share);
      if (signal?.aborted && !wasKept) await this.shares?.delete(text, this.#records.has(text));
      signal?.throwIfAborted();
      this.#shared.set(text, shared);
    });
    return (await this.get(root)) as AssetRecord;
  }

  /** A file of an asset that is open here. @param file index in the manifest's entries @throws ERR_UNKNOWN_ASSET */
  async blob(root: CID, file: number, type = ''): Promise<Blob> {
    const text = root.toString();
    const content = this.#shared.get(text) ?? this.#live.get(text)?.asset;
    if (!content) throw new ShoalError('ERR_UNKNOWN_ASSET', `${text} is no longer here; open it anew`);
    return content.blob(file, type);
  }

  async recheck(root: CID, options: CheckOptions = {}): Promise<Recheck | undefined> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    const text = root.toString();
    const shared = this.#shared.get(text);
    if (shared) return shared.recheck(options.signal, options.onCheck);
    const found = await this.#lock.run(text, async () => {
      const before = this.#live.get(text);
      const live = await this.#openLive(root, { signal: options.signal }, false);
      if (!live) return undefined;
      try {
        return await live.asset.check(options.signal, options.onCheck);
      } finally {
        if (before !== live) await this.#release(text, live);
      }
    });
    if (!found) return undefined;
    const problems = found.bytesBad > 0 ? [`the browser lost ${found.bytesBad} bytes of ${text}`] : [];
    return { path: undefined, ...found, problems, isRenewed: false };
  }

  async remove(root: CID): Promise<void> {
    this.#checkOpen();
    const text = root.toString();
    await this.#lock.run(text, async () => {
      this.#shared.delete(text);
      await this.shares?.delete(text, this.#records.has(text));
      const live = this.#live.get(text);
      this.#live.delete(text);
      await live?.asset.close();
      const record = this.#records.get(text);
      if (!record) return;
      // At once: nothing that is under way may write it anew.
      this.#records.delete(text);
      try {
        await this.#parts.records.delete(text);
      } catch (error) {
        this.#records.set(text, record);
        throw await storageError(error, text, 'remove the record');
      }
      await this.#spaceOf(record)?.remove(text);
      if (this.#records.size === 0) this.#parts.onKept?.(false);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#lock.idle();
    for (const { asset } of this.#live.values()) await asset.close();
    this.#live.clear();
    this.#shared.clear();
    for (const space of this.#parts.spaces) await space.close();
    await this.#parts.records.close();
    this.#parts.onClosed?.();
  }

  async #loadIdentity(): Promise<Uint8Array> {
    const kept = await this.#parts.records.getSetting(IDENTITY_KEY);
    if (kept) return kept;
    const made = privateKeyToProtobuf(await generateKeyPair('Ed25519'));
    await this.#parts.records.putSetting(IDENTITY_KEY, made);
    return made;
  }

  async #putNodes(root: CID, nodes: readonly KeptNode[]): Promise<void> {
    const text = root.toString();
    const ofRoot = nodes.find(({ node }) => node === text);
    const type = ofRoot ? await this.#nodes.typeOf(root, ofRoot.bytes) : 'directory';
    if (!this.#records.has(text)) await this.#put(text, { v: 1, type, state: 'partial' });
    await this.#nodes.put(root, nodes);
  }

  /** What is open, or was kept by an earlier page: checked, save where it was complete. */
  async #openLive(root: CID, options: CheckOptions, mustCheck = true): Promise<Live | undefined> {
    options.signal?.throwIfAborted();
    const text = root.toString();
    const live = this.#live.get(text);
    if (live && !live.asset.isDamaged) return live;
    if (live) await this.#release(text, live);
    const record = this.#records.get(text);
    const space = record && this.#spaceOf(record);
    if (!record || !space) return undefined;
    const manifest = await this.#nodes.manifest(root, options.signal);
    if (!manifest) return undefined;
    const wasComplete = record.state === 'complete';
    const asset = await this.#openAsset(root, manifest, space);
    if (asset.state === 'partial' && (mustCheck || wasComplete)) {
      try {
        const { bytesGood } = await asset.check(options.signal, options.onCheck);
        if (wasComplete && bytesGood < manifest.chunkBytes)
          this.#parts.onEvicted?.(root, evicted(text, manifest, bytesGood));
      } catch (error) {
        await asset.close();
        throw error;
      }
    }
    return this.#keepLive(text, asset);
  }

  /** Makes room for an asset of which nothing but nodes is here. */
  async #create(root: CID, record: KeptRecord, signal: AbortSignal | undefined): Promise<Live> {
    const text = root.toString();
    const manifest = await this.#nodes.manifest(root, signal);
    if (!manifest)
      throw new ShoalError('ERR_INCOMPLETE', `not all nodes of ${text} are here yet; fetch them first`);
    const [space] = this.#parts.spaces;
    await space.checkSpace(text, manifest.chunkBytes);
    if (!this.#hasDownloaded) this.#parts.onFirstDownload?.();
    this.#hasDownloaded = true;
    const { type, size: bytes, chunkBytes, chunkCount: chunks } = manifest;
    Object.assign(record, { type, bytes, chunkBytes, chunks, space: space.kind, state: 'partial' });
    await this.#put(text, record);
    const live = this.#keepLive(text, await this.#openAsset(root, manifest, space));
    const bytesOfRoot =
      root.code === RAW_CODE && manifest.chunkCount > 0 && (await this.#nodes.get(root, root));
    if (bytesOfRoot)
      await live.asset.write(0, await VerifiedChunk.expect(manifest.chunkDigest(0), bytesOfRoot, text));
    return live;
  }

  async #openAsset(root: CID, manifest: Manifest, space: ChunkSpace): Promise<KeptAsset> {
    const text = root.toString();
    const record = this.#records.get(text) as KeptRecord;
    const layout = new ChunkLayout(manifest);
    const file = await space.open(text, layout, record.state === 'complete').catch(async (error: unknown) => {
      throw await storageError(error, text, `make room for the ${layout.total} bytes`);
    });
    const isComplete = record.state === 'complete' && file.claims().isFull;
    // Before anything is written: a file that is as long as it was, and not whole, must not pass for whole.
    if (!isComplete && record.state === 'complete')
      await this.#put(text, Object.assign(record, { state: 'partial' }));
    return new KeptAsset(manifest, file, isComplete, {
      // What lies in memory need not lie there twice.
      recent: space.kind === 'memory' ? new RecentChunks(0) : this.#recent,
      completed: () => this.#note(text, record, 'complete'),
      damaged: () => {
        this.#note(text, record, 'partial').catch((error: unknown) => this.#parts.log('warn', String(error)));
      },
    });
  }

  #keepLive(text: string, asset: KeptAsset): Live {
    const live = { asset, users: 0 };
    this.#live.set(text, live);
    return live;
  }

  #handle(root: CID, live: Live): StoredAsset {
    live.users++;
    const text = root.toString();
    const content: PageContent = live.asset;
    return new PageHandle(content, () =>
      this.#lock.run(text, async () => {
        if (--live.users === 0) await this.#release(text, live);
      }),
    );
  }

  async #release(text: string, live: Live): Promise<void> {
    if (this.#live.get(text) !== live) return;
    this.#live.delete(text);
    await live.asset.close();
  }

  async #put(text: string, record: KeptRecord): Promise<void> {
    await this.#write(text, record);
    this.#records.set(text, record);
    this.#parts.onKept?.(true);
  }

  /** What became of an asset. Whoever still reads one that was removed must not bring its record back. */
  async #note(text: string, record: KeptRecord, state: KeptRecord['state']): Promise<void> {
    if (this.#records.get(text) !== record) return;
    record.state = state;
    await this.#write(text, record);
  }

  async #write(text: string, record: KeptRecord): Promise<void> {
    try {
      await this.#parts.records.put(text, record);
    } catch (error) {
      throw await storageError(error, text, 'keep a record');
    }
  }

  async #bytesHere(text: string, record: KeptRecord): Promise<number> {
    const live = this.#live.get(text);
    if (live) return live.asset.bytesHere();
    const { state, chunkBytes = 0, chunks = 0 } = record;
    const space = this.#spaceOf(record);
    if (!space || chunks === 0) return 0;
    if (state === 'complete') return chunkBytes;
    return Math.round(((await space.claimed(text, { count: chunks })) * chunkBytes) / chunks);
  }

  #spaceOf({ space }: KeptRecord): ChunkSpace | undefined {
    return this.#parts.spaces.find(({ kind }) => kind === space);
  }

  #checkOpen(): void {
    if (this.#closing)
      throw new ShoalError('ERR_CLOSED', 'the storage of this page has been closed', { fault: 'none' });
  }
}

function evicted(text: string, { chunkBytes }: Manifest, bytesGood: number): ShoalError {
  return new ShoalError(
    'ERR_EVICTED',
    `of ${text}, which was here whole, ${bytesGood} of ${chunkBytes} bytes are left: the browser deletes what pages keep when space runs short, unless they may keep it (\`persist\`); the rest is fetched again when it is asked for`,
  );
}
