import { ShoalError } from '../../src/errors.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';
import type { StoredAsset } from '../../src/store/store.ts';
import { Bitfield } from '../../src/swarm/core/bitfield.ts';
import type { MemoryFile } from '../swarm/shell/memory-asset.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What is done to one node so that the checker has something to find. */
export const SABOTAGES = ['wrong-byte', 'lost-chunk'] as const;

/** `wrong-byte`: it sends one; `lost-chunk`: its disk says that a chunk is written, and it is not. */
export type Sabotage = (typeof SABOTAGES)[number];

/** What a disk needs to know of its world. */
export interface DiskHost {
  readonly time: VirtualTime;
  readonly sabotage: Sabotage | undefined;
  /** Something was written that is not the content. */
  onWrongWrite(chunk: number): void;
}

/** What lies of a file on a node's disk; stays when the node restarts. */
export class ModelDisk {
  readonly file: MemoryFile;
  readonly here: Bitfield;
  /** Published here. */
  readonly isOrigin: boolean;
  readonly unreadable = new Set<number>();
  isFailing = false;
  isFull = false;
  readMs = 0;
  writeMs = 0;
  readonly #host: DiskHost;

  constructor(file: MemoryFile, isOrigin: boolean, host: DiskHost) {
    const { chunkCount } = file.manifest;
    this.file = file;
    this.isOrigin = isOrigin;
    this.here = isOrigin ? Bitfield.full(chunkCount) : new Bitfield(chunkCount);
    this.#host = host;
  }

  /** Nothing fails any more. */
  repair(): void {
    this.unreadable.clear();
    this.isFailing = false;
    this.isFull = false;
    this.readMs = 0;
    this.writeMs = 0;
  }

  open(): StoredAsset {
    let isClosed = false;
    return {
      manifest: this.file.manifest,
      state: this.here.isFull ? 'complete' : 'partial',
      path: undefined,
      have: () => this.here.clone(),
      read: async (chunk) => {
        await this.#wait(this.readMs);
        if (isClosed) throw new ShoalError('ERR_CLOSED', 'the asset is closed');
        return this.#read(chunk);
      },
      write: async (chunk, data) => {
        await this.#wait(this.writeMs);
        await this.#write(chunk, data);
      },
      finish: async () => undefined,
      close: async () => void (isClosed = true),
    };
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await this.#host.time.sleep(ms);
  }

  async #read(chunk: number): Promise<VerifiedChunk> {
    if (!this.here.has(chunk)) throw new ShoalError('ERR_CHUNK_MISSING', `chunk ${chunk} is not here`);
    if (this.isFailing || this.unreadable.has(chunk)) throw new ShoalError('ERR_IO', 'the disk fails');
    const { manifest, content } = this.file;
    const offset = manifest.places(chunk)[0]?.offset ?? 0;
    const bytes = content.slice(offset, offset + manifest.chunkSize(chunk));
    const verified = await VerifiedChunk.expect(manifest.chunkDigest(chunk), bytes, `chunk ${chunk}`);
    // The same memory that was verified.
    if (this.#host.sabotage === 'wrong-byte') bytes[0] = ~(bytes[0] as number);
    return verified;
  }

  async #write(chunk: number, { bytes }: VerifiedChunk): Promise<void> {
    if (this.isFull) throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
    if (!(await VerifiedChunk.verify(this.file.manifest.chunkDigest(chunk), bytes))) {
      this.#host.onWrongWrite(chunk);
    }
    if (this.#host.sabotage !== 'lost-chunk' || chunk > 0) this.here.set(chunk);
  }
}
