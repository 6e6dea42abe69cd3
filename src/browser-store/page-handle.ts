import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { StoredAsset } from '../store/store.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';

/** What a handle is on: an asset that is kept, or one that is shared where it lies. */
export interface PageContent {
  readonly manifest: Manifest;
  readonly state: 'shared' | 'complete' | 'partial';
  have(): Bitfield;
  read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk>;
  write(chunk: number, data: VerifiedChunk): Promise<void>;
  finish(): Promise<void>;
}

/** The store's `StoredAsset`: a handle, of which an asset can have many. */
export class PageHandle implements StoredAsset {
  readonly path = undefined;
  readonly #content: PageContent;
  readonly #release: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(content: PageContent, release: () => Promise<void>) {
    this.#content = content;
    this.#release = release;
  }

  get manifest(): Manifest {
    return this.#content.manifest;
  }

  get state(): 'shared' | 'complete' | 'partial' {
    return this.#content.state;
  }

  have(): Bitfield {
    return this.#content.have();
  }

  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    this.#checkOpen();
    return this.#content.read(chunk, signal);
  }

  async write(chunk: number, data: VerifiedChunk): Promise<void> {
    this.#checkOpen();
    await this.#content.write(chunk, data);
  }

  async finish(): Promise<undefined> {
    this.#checkOpen();
    await this.#content.finish();
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  #checkOpen(): void {
    if (!this.#closing) return;
    throw new ShoalError(
      'ERR_CLOSED',
      `${this.manifest.root.toString()} has been closed here; open it again`,
      {
        fault: 'none',
      },
    );
  }
}
