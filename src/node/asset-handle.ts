import type { CID } from 'multiformats/cid';
import type {
  Asset,
  AssetEntry,
  AssetType,
  OpenOptions,
  Progress,
  Saved,
  SaveOptions,
  StreamOptions,
} from '../api.ts';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { ActiveAsset } from './active-asset.ts';
import { endable } from './endable.ts';
import { formatLink } from './link.ts';
import { loadDag } from './load-dag.ts';
import type { NodeContext } from './node-context.ts';
import { optionsOf } from './options-of.ts';
import type { DownloadOptions, StoredAsset } from '../store/store.ts';
import { readRange } from './read-range.ts';
import { runTransfer } from './transfer.ts';

/** How long to wait for something to arrive where the caller names no time. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** What {@link AssetHandle} is made from. */
export interface AssetHandleInit {
  context: NodeContext;
  root: CID;
  name: string | undefined;
  /** Addresses of the link it was opened by. */
  addresses: readonly string[];
  type: AssetType;
  /** Exact content bytes of a file. */
  size: number | undefined;
}

/** An opened asset: see `Asset` in api.ts. Handles of one root share what is downloaded and served. */
export class AssetHandle implements Asset {
  readonly cid: string;
  readonly name: string | undefined;
  readonly type: AssetType;
  #size: number | undefined;
  readonly #context: NodeContext;
  readonly #root: CID;
  readonly #addresses: readonly string[];
  readonly #closed = new AbortController();
  #manifest: Manifest | undefined;

  constructor(init: AssetHandleInit) {
    this.#context = init.context;
    this.#root = init.root;
    this.#addresses = init.addresses;
    this.cid = init.root.toString();
    this.name = init.name;
    this.type = init.type;
    this.#size = init.size;
  }

  get size(): number | undefined {
    return this.#size;
  }

  get link(): string {
    const own = this.#context.addresses;
    // A node that nobody can dial without the help of others is none to others; those it has it from may be.
    const isOwnEnough = own.some((address) => !address.includes('/p2p-circuit'));
    return formatLink(this.#root, this.name, isOwnEnough ? own : [...own, ...this.#addresses]);
  }

  entries(options?: OpenOptions): AsyncGenerator<AssetEntry> {
    return endable((gone) => this.#entries(options, gone));
  }

  async *#entries(given: OpenOptions | undefined, gone: AbortSignal): AsyncGenerator<AssetEntry> {
    const options = optionsOf(given);
    const manifest = await this.#loadManifest(options.timeoutMs, this.#untilGone(options.signal, gone));
    for (const entry of manifest.entries) {
      const path = entry.path.join('/');
      if (entry.type === 'file') yield { type: 'file', path, size: entry.size };
      else if (entry.type === 'symlink') yield { type: 'symlink', path, size: 0, target: entry.target };
      else yield { type: 'directory', path, size: 0 };
    }
  }

  stream(options?: StreamOptions): AsyncGenerator<Uint8Array> {
    return endable((gone) => this.#stream(options, gone));
  }

  async *#stream(given: StreamOptions | undefined, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const options = optionsOf(given);
    const signal = this.#untilGone(options.signal, gone);
    const manifest = await this.#loadManifest(options.timeoutMs, signal);
    const { file, size } = findFile(manifest, options.path, this.cid);
    const range = checkedRange(options, size);
    const asset = await this.#activateForReading(options.timeoutMs, signal);
    yield* readRange(this.#context, asset, {
      file,
      ...range,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      addresses: this.#addresses,
      onProgress: options.onProgress,
      signal,
    });
    await this.#finishRead(asset, signal);
  }

  async save(path: string, options?: SaveOptions): Promise<Saved> {
    const target = this.#context.platform.resolvePath(path);
    const saved = await this.download(target, optionsOf(options));
    return { ...saved, path: saved.path ?? target };
  }

  /** Downloads everything, to a path, or (undefined) to wherever the store keeps what has none. */
  async download(
    target: string | undefined,
    options: SaveOptions = {},
  ): Promise<Omit<Saved, 'path'> & { path: string | undefined }> {
    const startedMs = performance.now();
    const signal = this.untilClosed(options.signal);
    const manifest = await this.#loadManifest(options.timeoutMs, signal, options.onProgress);
    return this.#context.exclusive(this.#root, signal, async () => {
      const stored = await this.#startDownload(target, manifest, options, signal);
      const transfer = {
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        addresses: this.#addresses,
        onProgress: options.onProgress,
        signal,
      };
      const sources = await runTransfer(this.#context, stored, transfer, options.force);
      const saved = stored.stored.path ?? target;
      this.#context.emit('asset:complete', { cid: this.cid, path: saved, bytes: manifest.size });
      return { path: saved, bytes: manifest.size, durationMs: performance.now() - startedMs, sources };
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new ShoalError('ERR_CLOSED', `the asset ${this.cid} was closed`, { fault: 'none' }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Everything about the asset but its bytes; fetches its interior nodes. */
  manifest(options: OpenOptions = {}): Promise<Manifest> {
    return this.#loadManifest(options.timeoutMs, this.untilClosed(options.signal));
  }

  /** Aborted with `signal`, and when the asset or the node is closed. */
  untilClosed(signal: AbortSignal | undefined): AbortSignal {
    const all = [this.#closed.signal, this.#context.closing];
    if (signal) all.push(signal);
    return AbortSignal.any(all);
  }

  #untilGone(signal: AbortSignal | undefined, gone: AbortSignal): AbortSignal {
    return AbortSignal.any([this.untilClosed(signal), gone]);
  }

  async #loadManifest(
    timeoutMs = DEFAULT_TIMEOUT_MS,
    signal: AbortSignal,
    onProgress?: (progress: Progress) => void,
  ): Promise<Manifest> {
    signal.throwIfAborted();
    if (this.#manifest) return this.#manifest;
    onProgress?.(withoutPeers('searching', 0, this.#size ?? 0));
    const walk = await loadDag(this.#context, this.#root, {
      depth: 'all',
      timeoutMs,
      addresses: this.#addresses,
      signal,
    });
    const manifest = walk.manifest();
    this.#manifest = manifest;
    this.#size = manifest.size;
    return manifest;
  }

  async #startDownload(
    target: string | undefined,
    manifest: Manifest,
    options: SaveOptions,
    signal: AbortSignal,
  ): Promise<ActiveAsset> {
    const { store } = this.#context;
    const make = (): Promise<StoredAsset> =>
      this.#makePlace(
        {
          path: target,
          name: this.name,
          force: options.force,
          signal,
          onCheck: (bytes) => options.onProgress?.(withoutPeers('checking', bytes, manifest.chunkBytes)),
        },
        options.timeoutMs,
      );
    const active = this.#context.active(this.#root);
    if (!active) return this.#context.activate(this.#root, await make());
    if (target === undefined) return active;
    // What is here is hashed again, which whoever closes the node does not wait for.
    const restore = (): Promise<StoredAsset | undefined> =>
      store.open(this.#root, { signal: this.#context.closing }).catch(() => undefined);
    try {
      await active.replace(make, restore);
    } catch (error) {
      const why = error instanceof ShoalError ? error : undefined;
      if (active.isBroken) await this.#context.deactivate(this.#root, why);
      throw error;
    }
    return active;
  }

  /** Begins a download. Where the asset was removed since this handle learned its nodes, the store gets them again. */
  async #makePlace(
    options: DownloadOptions & { signal: AbortSignal },
    timeoutMs: number | undefined,
  ): Promise<StoredAsset> {
    const { store } = this.#context;
    try {
      return await store.startDownload(this.#root, options);
    } catch (error) {
      if (!isForgotten(error)) throw error;
      this.#manifest = undefined;
      await this.#loadManifest(timeoutMs, options.signal);
      return store.startDownload(this.#root, options);
    }
  }

  /** What is here is read where it lies; for the rest a place inside the data folder is made. */
  async #activateForReading(timeoutMs: number | undefined, signal: AbortSignal): Promise<ActiveAsset> {
    const found = new AbortController();
    const either = AbortSignal.any([signal, found.signal]);
    // A save that has begun has its turn until it ends, but takes part in the swarm long before.
    try {
      return await Promise.race([
        this.#context.whenActive(this.#root, either),
        this.#activate(timeoutMs, either),
      ]);
    } finally {
      found.abort();
    }
  }

  #activate(timeoutMs: number | undefined, signal: AbortSignal): Promise<ActiveAsset> {
    return this.#context.exclusive(this.#root, signal, async () => {
      const active = this.#context.active(this.#root);
      if (active) return active;
      const { store } = this.#context;
      const stored =
        (await store.open(this.#root, { signal })) ??
        (await this.#makePlace({ path: undefined, name: this.name, signal }, timeoutMs));
      return this.#context.activate(this.#root, stored);
    });
  }

  async #finishRead(asset: ActiveAsset, signal: AbortSignal): Promise<void> {
    if (!asset.isComplete || asset.stored.state !== 'partial' || asset.stored.path !== undefined) return;
    await this.#context.exclusive(this.#root, signal, async () => {
      if (asset.stored.state !== 'partial' || !asset.isComplete) return;
      // What was read was right, whatever has become of it on the disk meanwhile.
      if (!(await asset.finish())) return;
      this.#context.emit('asset:complete', {
        cid: this.cid,
        path: undefined,
        bytes: asset.stored.manifest.size,
      });
    });
  }
}

/** Whether the store lacks nodes that this handle has had. */
function isForgotten(error: unknown): boolean {
  return (
    error instanceof ShoalError && (error.code === 'ERR_UNKNOWN_ASSET' || error.code === 'ERR_INCOMPLETE')
  );
}

/** Progress of what happens before any peer has a part in it. */
function withoutPeers(phase: Progress['phase'], bytes: number, total: number): Progress {
  return { bytes, total, peers: 0, sources: [], bytesPerSec: 0, phase };
}

/** Where each path is, of manifests in which one was looked for: of a large folder each file may be asked for by itself. */
const indexes = new WeakMap<Manifest, ReadonlyMap<string, number>>();

function indexOf(manifest: Manifest): ReadonlyMap<string, number> {
  let index = indexes.get(manifest);
  if (!index) {
    index = new Map(manifest.entries.map(({ path }, at) => [path.join('/'), at]));
    indexes.set(manifest, index);
  }
  return index;
}

/** A file's index in the manifest's entries, and its bytes. @throws ERR_ENTRY_NOT_FOUND, ERR_NOT_A_FILE */
export function findFile(
  manifest: Manifest,
  path: string | undefined,
  cid: string,
): { file: number; size: number } {
  const wanted = (path ?? '').split('/').filter((part) => part !== '');
  const index = indexOf(manifest).get(wanted.join('/')) ?? -1;
  const entry = manifest.entries[index];
  if (entry?.type === 'file') return { file: index, size: entry.size };
  // The root of a directory is no entry of it.
  if (!entry && wanted.length > 0) {
    throw new ShoalError(
      'ERR_ENTRY_NOT_FOUND',
      `${cid} has no entry "${path ?? ''}"; entries() lists what it has`,
    );
  }
  throw new ShoalError(
    'ERR_NOT_A_FILE',
    `"${path ?? ''}" in ${cid} is a ${entry?.type ?? manifest.type}, which has no bytes to stream; name a file inside it, or save it`,
  );
}

function checkedRange(options: StreamOptions, size: number): { offset: number; length: number } {
  const offset = options.offset ?? 0;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
    throw new ShoalError('ERR_RANGE', `offset ${offset} does not lie within the file's ${size} bytes`);
  }
  const length = options.length ?? size - offset;
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new ShoalError('ERR_RANGE', `length ${length} is not a number of bytes`);
  }
  return { offset, length: Math.min(length, size - offset) };
}
