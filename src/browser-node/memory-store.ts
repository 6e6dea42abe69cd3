import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { AssetRecord, DownloadOptions, Recheck, Store, StoredAsset } from '../store/store.ts';
import { MemoryAsset } from './memory-asset.ts';

/** Nodes given to a walk at once. */
const BATCH = 256;

/** Multicodec `raw`: the root is a file of one chunk, which is fetched as a node. */
const RAW_CODE = 0x55;

interface Entry {
  root: CID;
  name: string | undefined;
  nodes: Map<string, Uint8Array>;
  nodeBytes: number;
  type: AssetRecord['type'];
  asset: MemoryAsset | undefined;
}

/** The store of a page: everything in memory, up to a bound, and gone with the page. */
export class MemoryStore implements Store {
  readonly dataDir = '';
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  readonly #settings = new Map<string, Uint8Array>();
  /** Nodes that are here, and chunks of all downloads, here or not yet. */
  #usedBytes = 0;
  #identity: Promise<Uint8Array> | undefined;

  /** @param maxBytes most bytes of nodes and chunks */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  identity(): Promise<Uint8Array> {
    this.#identity ??= generateKeyPair('Ed25519').then(privateKeyToProtobuf);
    return this.#identity;
  }

  async getSetting(key: string): Promise<Uint8Array | undefined> {
    return this.#settings.get(key);
  }

  async putSetting(key: string, value: Uint8Array | undefined): Promise<void> {
    if (value) this.#settings.set(key, value);
    else this.#settings.delete(key);
  }

  async *list(): AsyncGenerator<AssetRecord> {
    for (const entry of this.#entries.values()) yield recordOf(entry);
  }

  async get(root: CID): Promise<AssetRecord | undefined> {
    const entry = this.#entries.get(root.toString());
    return entry && recordOf(entry);
  }

  async getNode(root: CID, node: CID): Promise<Uint8Array | undefined> {
    return this.#entries.get(root.toString())?.nodes.get(node.toString());
  }

  async putNode(root: CID, node: CID, bytes: Uint8Array): Promise<void> {
    const key = root.toString();
    const entry: Entry = this.#entries.get(key) ?? {
      root,
      name: undefined,
      nodes: new Map(),
      nodeBytes: 0,
      type: 'file',
      asset: undefined,
    };
    if (entry.nodes.has(node.toString())) return;
    this.#take(root, bytes.byteLength);
    entry.nodeBytes += bytes.byteLength;
    entry.nodes.set(node.toString(), bytes.slice());
    this.#entries.set(key, entry);
  }

  async open(root: CID): Promise<StoredAsset | undefined> {
    return this.asset(root);
  }

  /** What is here of an asset that is, or was, downloaded. */
  asset(root: CID): MemoryAsset | undefined {
    return this.#entries.get(root.toString())?.asset;
  }

  async startDownload(root: CID, options: DownloadOptions): Promise<StoredAsset> {
    const entry = this.#entries.get(root.toString());
    if (!entry) throw new ShoalError('ERR_UNKNOWN_ASSET', `nothing of ${root.toString()} is known here`);
    entry.name ??= options.name;
    if (entry.asset) return entry.asset;
    const manifest = await manifestOf(entry, options.signal);
    // Another call may have been as far.
    if (entry.asset) return entry.asset;
    this.#take(root, manifest.chunkBytes);
    const asset = new MemoryAsset(manifest);
    entry.asset = asset;
    entry.type = manifest.type;
    const bytes = entry.nodes.get(root.toString());
    if (root.code === RAW_CODE && bytes && manifest.chunkCount > 0)
      await asset.write(0, await VerifiedChunk.expect(manifest.chunkDigest(0), bytes, root.toString()));
    return asset;
  }

  async share(): Promise<AssetRecord> {
    throw new ShoalError(
      'ERR_UNSUPPORTED_PLATFORM',
      'a page cannot share in this version; share with `shoal share`',
    );
  }

  async recheck(root: CID): Promise<Recheck | undefined> {
    const asset = this.asset(root);
    if (!asset) return undefined;
    let bytesGood = 0;
    let bytesBad = 0;
    const have = asset.have();
    for (let chunk = 0; chunk < have.size; chunk++) {
      if (!have.has(chunk)) continue;
      const isGood = await asset.read(chunk).then(
        () => true,
        () => false,
      );
      if (isGood) bytesGood += asset.manifest.chunkSize(chunk);
      else bytesBad += asset.manifest.chunkSize(chunk);
    }
    const problems = bytesBad > 0 ? [`the browser lost ${bytesBad} bytes of ${root.toString()}`] : [];
    return { path: undefined, bytesGood, bytesBad, problems, isRenewed: false };
  }

  async remove(root: CID): Promise<void> {
    const entry = this.#entries.get(root.toString());
    if (!entry) return;
    this.#entries.delete(root.toString());
    this.#usedBytes -= entry.nodeBytes + (entry.asset?.manifest.chunkBytes ?? 0);
  }

  async close(): Promise<void> {
    this.#entries.clear();
    this.#settings.clear();
    this.#usedBytes = 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(root: CID, bytes: number): void {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      throw new ShoalError(
        'ERR_NO_SPACE',
        `${root.toString()} takes ${bytes} bytes more, and this page keeps ${this.#maxBytes} at most, of which ${this.#usedBytes} are taken; remove an asset, or raise memoryBytes`,
      );
    }
    this.#usedBytes += bytes;
  }
}

async function manifestOf(entry: Entry, signal: AbortSignal | undefined): Promise<Manifest> {
  const walk = new DagWalk(entry.root);
  while (!walk.done) {
    signal?.throwIfAborted();
    let added = 0;
    for (const cid of walk.needs(BATCH)) {
      const bytes = entry.nodes.get(cid.toString());
      if (bytes && (await walk.add(cid, bytes)) === 'ok') added++;
    }
    // Throws what is missing.
    if (added === 0) break;
  }
  return walk.manifest();
}

function recordOf({ root, name, type, asset }: Entry): AssetRecord {
  return {
    root,
    name,
    type,
    bytes: asset?.manifest.size,
    bytesHere: asset?.bytesHere() ?? 0,
    state: asset?.state ?? 'partial',
    path: undefined,
  };
}
