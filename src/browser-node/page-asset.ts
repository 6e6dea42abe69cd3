import type { AssetEntry, AssetType, OpenOptions, Progress, SourceShare, StreamOptions } from '../api.ts';
import type {
  BytesOptions,
  PageAsset,
  SaveBlobOptions,
  SavedBlob,
  SavedFolder,
  SaveFolderOptions,
} from '../browser-api.ts';
import { findFile, type AssetHandle } from '../node/asset-handle.ts';
import type { PageStore } from '../browser-store/page-store.ts';
import { METHOD_OPTIONS, optionsOf } from '../node/options-of.ts';
import { notLoaded } from '../not-loaded.ts';

const SAVE_OPTIONS = { ...METHOD_OPTIONS, to: 'any', type: 'string' } as const;

/** An asset in a page: see `PageAsset` in browser-api.ts. */
export class PageAssetHandle implements PageAsset {
  readonly #handle: AssetHandle;
  readonly #store: PageStore;

  constructor(handle: AssetHandle, store: PageStore) {
    this.#handle = handle;
    this.#store = store;
  }

  get cid(): string {
    return this.#handle.cid;
  }

  get link(): string {
    return this.#handle.link;
  }

  get name(): string | undefined {
    return this.#handle.name;
  }

  get type(): AssetType {
    return this.#handle.type;
  }

  get size(): number | undefined {
    return this.#handle.size;
  }

  entries(options?: OpenOptions): AsyncGenerator<AssetEntry> {
    return this.#handle.entries(options);
  }

  stream(options?: StreamOptions): AsyncGenerator<Uint8Array> {
    return this.#handle.stream(options);
  }

  async bytes(options: BytesOptions = {}): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of this.stream(options)) {
      pieces.push(piece);
      length += piece.byteLength;
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.byteLength;
    }
    return whole;
  }

  save(options: SaveFolderOptions): Promise<SavedFolder>;
  save(options?: SaveBlobOptions): Promise<SavedBlob>;
  async save(given?: SaveBlobOptions | SaveFolderOptions): Promise<SavedBlob | SavedFolder> {
    const options = optionsOf<SaveBlobOptions | SaveFolderOptions>(given, SAVE_OPTIONS);
    const { to } = options;
    if (!to) return this.#fetch({ ...options, to });
    const { saveTo } = await import('./further-files.ts').catch(notLoaded);
    const fetch = (options: SaveBlobOptions): Promise<SavedBlob> => this.#fetch(options);
    return saveTo({ handle: this.#handle, store: this.#store, fetch }, options);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #fetch(options: SaveBlobOptions): Promise<SavedBlob> {
    const startedMs = performance.now();
    const manifest = await this.#handle.manifest(options);
    const { file, size } = findFile(manifest, options.path, this.cid);
    const { root } = manifest;
    const sources = await this.#download(manifest.type === 'file', size, options);
    const blob = await this.#store.blob(root, file, options.type);
    return { blob, bytes: blob.size, durationMs: performance.now() - startedMs, sources };
  }

  /** A file asset is fetched as a whole, rarest first; one file of a directory as a range of it. */
  async #download(isWhole: boolean, size: number, options: SaveBlobOptions): Promise<readonly SourceShare[]> {
    const { timeoutMs, onProgress, signal } = options;
    if (isWhole) return (await this.#handle.download(undefined, { timeoutMs, onProgress, signal })).sources;
    // All of it may be here, so that nothing is told.
    let last: Progress = { bytes: 0, total: size, peers: 0, sources: [], bytesPerSec: 0, phase: 'fetching' };
    const stream = this.#handle.stream({
      path: options.path,
      timeoutMs,
      signal,
      onProgress: (progress) => {
        last = progress;
        onProgress?.(progress);
      },
    });
    for await (const _piece of stream);
    onProgress?.({ ...last, bytes: last.total, phase: 'done' });
    return last.sources;
  }
}
