import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import { MAX_NODE_BYTES } from '../integrity/limits.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { MAX_PLACES, type AssetEntry, type Place } from './asset-entry.ts';
import type { DataFolder } from './data-folder.ts';
import { FileStamps } from './file-stamps.ts';
import { flatText } from './flat-text.ts';
import type { HandlePool } from './handle-pool.ts';
import { newId } from './node-index.ts';
import { PlacedContent } from './placed-content.ts';
import { readFilePart } from './read-file-part.ts';
import { Seals } from './seals.ts';
import type { SmallFiles } from './small-files.ts';
import type { AssetRecord } from './store.ts';

/** Nodes read from the index at once: at most some 14 MiB, at 55 KiB a full node. */
const NODE_BATCH = 256;

/** A node as it is kept. */
export interface EncodedBlock {
  cid: CID;
  bytes: Uint8Array;
}

/** The assets that a data folder knows: their records, interior nodes and places. */
export class Catalog {
  readonly folder: DataFolder;
  readonly pool: HandlePool;
  readonly small: SmallFiles;
  readonly seals = new Seals();
  readonly #entries: Map<string, AssetEntry>;
  /** The stamps of places that are open, by place id: shared, so that renewing them reaches whoever is serving. */
  readonly #openStamps = new Map<string, WeakRef<FileStamps>>();

  constructor(folder: DataFolder, pool: HandlePool, small: SmallFiles, entries: Map<string, AssetEntry>) {
    this.folder = folder;
    this.pool = pool;
    this.small = small;
    this.#entries = entries;
  }

  entry(root: CID): AssetEntry | undefined {
    return this.#entries.get(root.toString());
  }

  /** A copy of the list, as text CIDs. */
  roots(): string[] {
    return [...this.#entries.keys()];
  }

  record(root: CID): AssetRecord | undefined {
    const entry = this.entry(root);
    if (!entry) return undefined;
    const [place] = entry.places;
    return {
      root,
      name: entry.name,
      type: entry.type,
      bytes: entry.bytes,
      bytesHere: place ? (entry.chunkBytes ?? 0) : (entry.download?.bytesHere ?? 0),
      state: place?.kind ?? 'partial',
      path: place ? place.path : entry.download?.path,
    };
  }

  /** Keeps a record, durably. */
  async put(root: CID, entry: AssetEntry): Promise<void> {
    const text = root.toString();
    await this.folder.index.putRecord(text, entry);
    this.#entries.set(flatText(text), entry);
  }

  /** Keeps how far a download is. Losing that costs nothing. */
  async noteBytesHere(root: CID, bytesHere: number): Promise<void> {
    const entry = this.entry(root);
    if (!entry?.download) return;
    entry.download.bytesHere = bytesHere;
    await this.folder.index.noteRecord(root.toString(), entry);
  }

  /** Forgets a record, durably. Where that fails it is known as before, so that it can be tried again. */
  async delete(root: CID, entry: AssetEntry): Promise<void> {
    const text = root.toString();
    // At once: nothing that is under way may write it anew.
    this.#entries.delete(text);
    try {
      await this.folder.index.deleteRecord(text, entry);
    } catch (error) {
      this.#entries.set(flatText(text), entry);
      throw error;
    }
  }

  /** See `Store.getNode`. */
  async getNode(root: CID, node: CID): Promise<Uint8Array | undefined> {
    const entry = this.entry(root);
    if (!entry) return undefined;
    const bytes = await this.folder.index.getNode(entry.nodes, node);
    if (bytes || node.code !== RAW_CODE || !node.equals(root)) return bytes;
    // A file of one chunk has no nodes: it is its own root, and lies where its content lies.
    return entry.places.length > 0 ? this.#readRawRoot(root, entry) : undefined;
  }

  async putNodes(root: CID, nodes: readonly EncodedBlock[]): Promise<void> {
    const tooLarge = nodes.find(({ bytes }) => bytes.byteLength > MAX_NODE_BYTES);
    if (tooLarge) {
      throw new ShoalError(
        'ERR_ASSET_TOO_LARGE',
        `a node of ${tooLarge.bytes.byteLength} bytes is too large to keep`,
      );
    }
    let entry = this.entry(root);
    if (!entry) {
      const rootNode = nodes.find(({ cid }) => cid.equals(root));
      const type = rootNode ? await typeOf(root, rootNode.bytes) : 'directory';
      entry = { v: 1, nodes: newId(), type, places: [] };
      await this.put(root, entry);
    }
    await this.folder.index.putNodes(entry.nodes, nodes);
  }

  /**
   * Builds the manifest from the nodes in the index, each checked from the root down.
   *
   * @returns undefined where not all of them are here
   * @throws ERR_FILE_CHANGED where the only node is the content of a file that changed
   */
  async loadManifest(root: CID, signal?: AbortSignal): Promise<Manifest | undefined> {
    const entry = this.entry(root);
    if (!entry) return undefined;
    const walk = await this.walk(root, entry.nodes, signal);
    const isRawRoot = !walk.done && root.code === RAW_CODE;
    if (isRawRoot && entry.places.length > 0) await walk.add(root, await this.#readRawRoot(root, entry));
    if (!walk.done) return undefined;
    const manifest = walk.manifest();
    if (entry.bytes === undefined || entry.chunks === undefined) {
      const { type, size: bytes, chunkBytes, chunkCount: chunks } = manifest;
      await this.put(root, Object.assign(entry, { type, bytes, chunkBytes, chunks }));
    }
    return manifest;
  }

  /** Walks as far as the nodes of a set lead. */
  async walk(root: CID, set: string, signal?: AbortSignal): Promise<DagWalk> {
    const walk = new DagWalk(root);
    while (!walk.done) {
      signal?.throwIfAborted();
      const needs = walk.needs(NODE_BATCH);
      const nodes = await this.folder.index.getNodes(set, needs);
      let found = 0;
      for (const [i, cid] of needs.entries()) {
        const bytes = nodes[i];
        if (bytes && (await walk.add(cid, bytes)) === 'ok') found++;
      }
      if (found === 0) break;
    }
    return walk;
  }

  /** Absolute path of a place. */
  pathOf(root: CID, place: Place): string {
    return place.path ?? this.folder.contentPath(root);
  }

  /**
   * The newest place whose files are what they were.
   *
   * @param path only places there. Default: all
   * @returns undefined where there is no place at all
   * @throws ERR_FILE_CHANGED, as the newest one gives it, where none is valid
   */
  async openPlace(
    root: CID,
    manifest: Manifest,
    { path, signal }: { path?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<PlacedContent | undefined> {
    let failure: unknown;
    for (const place of this.entry(root)?.places ?? []) {
      if (path !== undefined && place.path !== path) continue;
      try {
        const content = await this.#place(root, manifest, place);
        await content.check(signal);
        return content;
      } catch (error) {
        signal?.throwIfAborted();
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** What lies at a place, without a look at it. */
  content(manifest: Manifest, place: Place, stamps: FileStamps): PlacedContent {
    this.#openStamps.set(place.id, new WeakRef(stamps));
    return new PlacedContent({
      manifest,
      base: this.pathOf(manifest.root, place),
      stamps,
      kind: place.kind,
      isOutside: place.path !== undefined,
      pool: this.pool,
      small: this.small,
      seals: this.seals,
    });
  }

  /** All places whose files the index knows, the newest first. Nobody has looked whether they are what they were. */
  async *places(manifest: Manifest): AsyncGenerator<PlacedContent> {
    for (const place of this.entry(manifest.root)?.places ?? []) {
      const content = await this.#place(manifest.root, manifest, place).catch(() => undefined);
      if (content) yield content;
    }
  }

  /**
   * Keeps an entry with one more place, the newest, durably. What is known of places that make room for it is deleted
   * after that: until then they are what the record names.
   */
  async putPlace(root: CID, entry: AssetEntry, place: Place, stamps: FileStamps): Promise<void> {
    await this.folder.index.putStamps(place.id, stamps.encode());
    const others = entry.places.filter(({ path }) => path !== place.path);
    const places = [place, ...others].slice(0, MAX_PLACES);
    const dropped = entry.places.filter((old) => !places.includes(old));
    await this.put(root, { ...entry, places });
    // What fails here nobody refers to: the next start deletes it.
    for (const { id } of dropped) await this.folder.index.deleteStamps(id).catch(() => {});
  }

  /**
   * The files of a place have been hashed and are right: from now on it is these stamps that they are known by.
   *
   * @returns whether they were others before
   */
  async renewStamps(root: CID, place: Place, stamps: FileStamps): Promise<boolean> {
    const isStill = this.entry(root)?.places.some(({ id }) => id === place.id);
    const before = await this.folder.index.getStamps(place.id);
    if (!isStill || (before && Buffer.compare(before, stamps.encode()) === 0)) return false;
    await this.folder.index.putStamps(place.id, stamps.encode());
    this.#openStamps.get(place.id)?.deref()?.replace(stamps);
    return true;
  }

  async #stampsOf(manifest: Manifest, place: Place): Promise<FileStamps | undefined> {
    const open = this.#openStamps.get(place.id)?.deref();
    if (open) return open;
    const bytes = await this.folder.index.getStamps(place.id);
    return bytes && FileStamps.decode(manifest.entries.length, bytes);
  }

  async #place(root: CID, manifest: Manifest, place: Place): Promise<PlacedContent> {
    const stamps = await this.#stampsOf(manifest, place);
    if (!stamps) {
      throw new ShoalError(
        'ERR_INDEX_CORRUPT',
        `the index no longer knows the files of ${this.pathOf(root, place)}; share it again`,
      );
    }
    return this.content(manifest, place, stamps);
  }

  async #readRawRoot(root: CID, entry: AssetEntry): Promise<Uint8Array> {
    const reader = {};
    try {
      for (const place of entry.places) {
        const bytes = await this.pool
          .use(reader, this.pathOf(root, place), 'read', (handle) =>
            readFilePart(handle, 0, entry.bytes ?? 0),
          )
          .catch(() => undefined);
        const chunk = bytes && (await VerifiedChunk.verify(root.multihash.digest, bytes));
        if (chunk) return chunk.bytes;
      }
    } finally {
      await this.pool.release(reader);
    }
    const where = entry.places[0] ? this.pathOf(root, entry.places[0]) : root.toString();
    throw new ShoalError(
      'ERR_FILE_CHANGED',
      `${where} is no longer what was shared; share it again to publish what it is now`,
    );
  }
}

async function typeOf(root: CID, bytes: Uint8Array): Promise<Manifest['type']> {
  const walk = new DagWalk(root);
  if ((await walk.add(root, bytes)) === 'mismatch')
    throw new ShoalError('ERR_CHUNK_HASH_MISMATCH', `what was to be kept is not the node ${root.toString()}`);
  return walk.rootInfo()?.type ?? 'file';
}
