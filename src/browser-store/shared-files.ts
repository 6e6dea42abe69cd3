import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { Recheck } from '../store/store.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';

import type { OnCheck } from './kept-asset.ts';
import { PageHandle, type PageContent } from './page-handle.ts';

/** Where else to look for a recurring chunk when its first place is gone. Beyond a few it is the asset that is gone. */
const MAX_PLACES_TRIED = 8;

/** As many sentences as `Recheck` may have. */
const MAX_PROBLEMS = 100;

/** An asset that a page shares: its files are read where they lie, a chunk at a time, and never copied. */
export class SharedFiles implements PageContent {
  readonly state = 'shared';
  readonly manifest: Manifest;
  readonly name: string | undefined;
  /** The interior nodes by text CID. */
  readonly nodes: ReadonlyMap<string, Uint8Array>;
  /** By index in the manifest's entries. */
  readonly #files: readonly (Blob | undefined)[];
  /** A file was not what it was: a browser reads it no more, whatever becomes of it. */
  #failure: ShoalError | undefined;

  /** @param nodes the interior nodes by text CID @param files by path in the asset, `''` where the asset is the file */
  constructor(
    manifest: Manifest,
    name: string | undefined,
    nodes: ReadonlyMap<string, Uint8Array>,
    files: ReadonlyMap<string, Blob>,
  ) {
    this.manifest = manifest;
    this.name = name;
    this.nodes = nodes;
    this.#files = manifest.entries.map(({ path }) => files.get(path.join('/')));
  }

  /** Whether it is served: not where a file was found to be no longer what it was. */
  get isServed(): boolean {
    return this.#failure === undefined;
  }

  /** @throws ERR_FILE_CHANGED where that was found before */
  open(): PageHandle {
    if (this.#failure) throw this.#failure;
    return new PageHandle(this, async () => {});
  }

  have(): Bitfield {
    return Bitfield.full(this.manifest.chunkCount);
  }

  /** A node of the asset; of a file of one chunk, which has none, that chunk. */
  async node(cid: CID): Promise<Uint8Array | undefined> {
    const known = this.nodes.get(cid.toString());
    const { root, chunkCount } = this.manifest;
    if (known || cid.code !== RAW_CODE || !cid.equals(root)) return known;
    return chunkCount === 0 ? new Uint8Array(0) : (await this.read(0)).bytes;
  }

  /** @throws ERR_FILE_CHANGED naming the file */
  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    const places = this.manifest.places(chunk, MAX_PLACES_TRIED);
    for (const { file, offset } of places) {
      signal?.throwIfAborted();
      const part = this.#files[file]?.slice(offset, offset + this.manifest.chunkSize(chunk));
      // A file that changed since it was chosen cannot be read any more: browsers compare its time.
      const bytes = await part?.arrayBuffer().catch(() => undefined);
      const digest = this.manifest.chunkDigest(chunk);
      const verified = bytes && (await VerifiedChunk.verify(digest, new Uint8Array(bytes)));
      if (verified) return verified;
    }
    const name = this.manifest.entries[places[0]?.file ?? 0]?.path.join('/') || this.name;
    this.#failure = new ShoalError(
      'ERR_FILE_CHANGED',
      `${name ?? 'the file'} is no longer what was shared; share it again to publish what it is now`,
    );
    throw this.#failure;
  }

  /** Hashes every byte. What was right to the last one is served again: a disk that was away has come back. */
  async recheck(signal?: AbortSignal, onCheck?: OnCheck): Promise<Recheck> {
    const { chunkCount, chunkBytes } = this.manifest;
    const problems = new Set<string>();
    let bytesGood = 0;
    let bytesBad = 0;
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      try {
        await this.read(chunk, signal);
        bytesGood += this.manifest.chunkSize(chunk);
      } catch (error) {
        signal?.throwIfAborted();
        bytesBad += this.manifest.chunkSize(chunk);
        if (problems.size < MAX_PROBLEMS) problems.add((error as Error).message);
      }
      onCheck?.(bytesGood + bytesBad, chunkBytes);
    }
    const isRenewed = !this.isServed && bytesBad === 0;
    if (isRenewed) this.#failure = undefined;
    return { path: undefined, bytesGood, bytesBad, problems: [...problems], isRenewed };
  }

  async write(): Promise<void> {}

  async finish(): Promise<void> {}

  /** @param file index in the manifest's entries, of a file */
  blob(file: number, type: string): Blob {
    const blob = this.#files[file] ?? new Blob([]);
    return blob.slice(0, blob.size, type || blob.type);
  }
}
