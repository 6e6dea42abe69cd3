import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { Partial } from './partial.ts';
import type { PlacedContent } from './placed-content.ts';
import type { StoredAsset } from './store.ts';

/** A download that is open, shared by all handles of its root, and what it became. */
export interface LiveDownload {
  readonly partial: Partial;
  /** Absolute path of the target; undefined: the data folder. */
  path: string | undefined;
  /** What it became when it was finished. */
  placed: PlacedContent | undefined;
  /** Handles open on it. */
  users: number;
  /** Bytes that its bitmap claimed when it was opened, and that were not what they should be. */
  readonly bytesDamaged: number;
}

/** Where the content of an {@link OpenAsset} lies. */
export type Content = { kind: 'placed'; placed: PlacedContent } | { kind: 'live'; live: LiveDownload };

/** What an {@link OpenAsset} asks of the store that opened it. */
export interface AssetHost {
  finish(root: CID, manifest: Manifest, live: LiveDownload, force: boolean): Promise<void>;
  /** All places of the asset, the newest first, whatever became of their files. */
  places(manifest: Manifest): AsyncIterable<PlacedContent>;
  /** A place failed, and another one is read in its stead. */
  onElsewhere(failure: unknown, place: PlacedContent): void;
  closed(root: CID, content: Content): Promise<void>;
}

/** The store's `StoredAsset`: a handle on content that lies in place, or on a download that all its handles share. */
export class OpenAsset implements StoredAsset {
  readonly manifest: Manifest;
  readonly #host: AssetHost;
  readonly #content: Content;
  /** Another place of the asset, since the one it was opened at failed. */
  #elsewhere: PlacedContent | undefined;
  #closing: Promise<void> | undefined;

  constructor(host: AssetHost, manifest: Manifest, content: Content) {
    this.#host = host;
    this.manifest = manifest;
    this.#content = content;
  }

  get state(): 'shared' | 'complete' | 'partial' {
    return this.#now.state;
  }

  get path(): string | undefined {
    const now = this.#now;
    if (now.state !== 'partial') return now.path;
    return this.#content.kind === 'live' ? this.#content.live.path : undefined;
  }

  have(): Bitfield {
    return this.#now.have();
  }

  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    this.#checkOpen();
    const now = this.#now;
    try {
      return await now.read(chunk, signal);
    } catch (error) {
      const verified =
        now.state === 'partial' ? undefined : await this.#readElsewhere(chunk, now, error, signal);
      if (!verified) throw error;
      return verified;
    }
  }

  async write(chunk: number, data: VerifiedChunk, isReadSoon?: boolean): Promise<void> {
    this.#checkOpen();
    const now = this.#now;
    if (now.state === 'partial') await now.write(chunk, data, isReadSoon);
  }

  async finish(options: { force?: boolean } = {}): Promise<string | undefined> {
    this.#checkOpen();
    const content = this.#content;
    if (content.kind === 'live' && !content.live.placed) {
      await this.#host.finish(this.manifest.root, this.manifest, content.live, options.force ?? false);
    }
    return this.path;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#elsewhere?.close();
    await this.#host.closed(this.manifest.root, this.#content);
  }

  /** The chunk from another place than the one that failed, which is the one to read from here on. */
  async #readElsewhere(
    chunk: number,
    failed: PlacedContent,
    failure: unknown,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedChunk | undefined> {
    for await (const place of this.#host.places(this.manifest)) {
      signal?.throwIfAborted();
      if (place.path === failed.path) continue;
      const verified = await place.read(chunk, signal).catch(() => undefined);
      const isNext = verified !== undefined && this.#now === failed && !this.#closing;
      if (isNext) {
        this.#elsewhere = place;
        this.#host.onElsewhere(failure, place);
      }
      await (isNext ? failed : place).close();
      if (verified) return verified;
    }
    return undefined;
  }

  get #now(): Partial | PlacedContent {
    const content = this.#content;
    if (this.#elsewhere) return this.#elsewhere;
    return content.kind === 'placed' ? content.placed : (content.live.placed ?? content.live.partial);
  }

  #checkOpen(): void {
    if (this.#closing) {
      throw new ShoalError(
        'ERR_CLOSED',
        `${this.manifest.root.toString()} has been closed here; open it again`,
        {
          fault: 'none',
        },
      );
    }
  }
}
