import type { CID } from 'multiformats/cid';
import { ShoalError } from '../../../src/errors.ts';
import type { Manifest } from '../../../src/integrity/manifest.ts';
import { VerifiedChunk } from '../../../src/integrity/verified-chunk.ts';
import type { StoredAsset } from '../../../src/store/store.ts';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import { dagOf, walk, type MemoryDag } from '../../integrity/memory-dag.ts';

/** A file made for a test: its DAG, its manifest and its content. */
export interface MemoryFile extends MemoryDag {
  manifest: Manifest;
  content: Uint8Array;
}

/** Imports `content` as a file asset. */
export async function fileOf(content: Uint8Array, chunkSize = 64 << 10): Promise<MemoryFile> {
  const { root, nodes } = await dagOf(content, chunkSize);
  return { root, nodes, content, manifest: await walk({ root, nodes }) };
}

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return new Uint8Array(words.buffer, 0, length);
}

/** A file asset held in memory, with switches for what can go wrong. */
export class MemoryAsset implements StoredAsset {
  readonly manifest: Manifest;
  readonly state: 'shared' | 'partial';
  readonly path = undefined;
  readonly content: Uint8Array;
  /** Chunks that are here. */
  readonly here: Bitfield;
  /** Chunks that `read` hands out changed: this node lies. */
  readonly corrupt = new Set<number>();
  /** `read` of these throws `ERR_FILE_CHANGED`. */
  readonly changed = new Set<number>();
  /** While set, `write` throws it. */
  writeError: ShoalError | undefined;
  isClosed = false;

  private constructor(manifest: Manifest, content: Uint8Array, here: Bitfield) {
    this.manifest = manifest;
    this.content = content;
    this.here = here;
    this.state = here.isFull ? 'shared' : 'partial';
  }

  static full(file: MemoryFile): MemoryAsset {
    return new MemoryAsset(file.manifest, file.content.slice(), Bitfield.full(file.manifest.chunkCount));
  }

  static empty(file: MemoryFile): MemoryAsset {
    const { manifest } = file;
    return new MemoryAsset(manifest, new Uint8Array(manifest.size), new Bitfield(manifest.chunkCount));
  }

  get root(): CID {
    return this.manifest.root;
  }

  have(): Bitfield {
    return this.here.clone();
  }

  async read(chunk: number): Promise<VerifiedChunk> {
    if (!this.here.has(chunk)) throw new ShoalError('ERR_CHUNK_MISSING', `chunk ${chunk} is not here`);
    if (this.changed.has(chunk))
      throw new ShoalError('ERR_FILE_CHANGED', 'the file changed after it was shared');
    const offset = this.manifest.places(chunk)[0]?.offset ?? 0;
    const bytes = this.content.subarray(offset, offset + this.manifest.chunkSize(chunk));
    const verified = await VerifiedChunk.expect(this.manifest.chunkDigest(chunk), bytes, `chunk ${chunk}`);
    // Only a test can say this: a liar's "verified" chunk.
    return this.corrupt.has(chunk)
      ? ({ ...verified, bytes: new Uint8Array(bytes.length) } as VerifiedChunk)
      : verified;
  }

  async write(chunk: number, data: VerifiedChunk): Promise<void> {
    if (this.writeError) throw this.writeError;
    for (const { offset } of this.manifest.places(chunk)) this.content.set(data.bytes, offset);
    this.here.set(chunk);
  }

  async finish(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}
