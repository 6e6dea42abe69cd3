import type { SendStamp } from './delivery-rate.ts';
import type { AssetKey } from './messages.ts';

/** A chunk on its way to a peer: handed to the shell, not yet acknowledged in full. */
export interface Upload {
  readonly asset: AssetKey;
  readonly chunk: number;
  readonly bytes: number;
  /** Bytes not acknowledged yet. */
  left: number;
  /** Given up; its bytes may arrive all the same, if they were under way. */
  dropped: boolean;
  readonly sentAtMs: number;
  /** For the rate of the whole uplink, and of this peer. */
  readonly uplinkStamp: SendStamp;
  readonly peerStamp: SendStamp;
}

/** What a cumulative acknowledgement told. */
export interface Acked {
  /** Bytes newly acknowledged. */
  bytes: number;
  /** The chunk to which the last of them belongs. */
  latest: Upload;
  /** Chunks of which something has arrived now for the first time. */
  begun: Upload[];
  /** Chunks that have now arrived in full. */
  arrived: Upload[];
}

/** One number for a chunk of an asset; asset keys are small numbers. */
export function chunkKey(asset: AssetKey, chunk: number): number {
  return asset * 4_294_967_296 + chunk;
}

/**
 * The chunks under way to one peer, in the order in which they are sent, matched with its cumulative ACKs.
 *
 * Whether a dropped chunk was sent all the same is known to nobody here, so ACKs first settle the chunks that
 * still count, and what is left over is accepted up to the size of what was dropped.
 */
export class UploadQueue {
  #queue: Upload[] = [];
  readonly #byChunk = new Map<number, Upload>();
  #ackedBytes = 0;
  #allowance = 0;
  #unackedBytes = 0;

  /** Bytes of the chunks that count and are not acknowledged. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** Bytes of what was given up that may have been sent all the same. */
  get droppedBytes(): number {
    return this.#allowance;
  }

  /** Chunks that count and are not acknowledged in full. */
  get count(): number {
    return this.#byChunk.size;
  }

  has(asset: AssetKey, chunk: number): boolean {
    return this.#byChunk.has(chunkKey(asset, chunk));
  }

  /** The chunks that count, oldest first. */
  uploads(): Iterable<Upload> {
    return this.#byChunk.values();
  }

  push(upload: Upload): void {
    this.#queue.push(upload);
    this.#byChunk.set(chunkKey(upload.asset, upload.chunk), upload);
    this.#unackedBytes += upload.left;
  }

  /** Gives a chunk up. @returns it, or undefined where it is not under way */
  drop(asset: AssetKey, chunk: number): Upload | undefined {
    const key = chunkKey(asset, chunk);
    const upload = this.#byChunk.get(key);
    if (!upload) return undefined;
    upload.dropped = true;
    this.#byChunk.delete(key);
    this.#unackedBytes -= upload.left;
    this.#allowance += upload.left;
    this.#compact();
    return upload;
  }

  /**
   * @param totalBytes payload bytes the peer says it received since the link came up
   * @returns undefined where that is nothing new; `'dropped'` where it is of what was given up alone; `'false'` where
   *   it is more than was ever sent
   */
  ack(totalBytes: number): Acked | undefined | 'dropped' | 'false' {
    let rest = totalBytes - this.#ackedBytes;
    if (!(rest > 0)) return undefined;
    if (rest > this.#unackedBytes + this.#allowance) return 'false';
    this.#ackedBytes = totalBytes;
    const begun: Upload[] = [];
    const arrived: Upload[] = [];
    let latest: Upload | undefined;
    let bytes = 0;
    while (this.#queue.length > 0 && rest > 0) {
      const upload = this.#queue[0] as Upload;
      if (!upload.dropped) {
        const part = Math.min(rest, upload.left);
        if (upload.left === upload.bytes) begun.push(upload);
        upload.left -= part;
        bytes += part;
        rest -= part;
        latest = upload;
        if (upload.left > 0) break;
        this.#byChunk.delete(chunkKey(upload.asset, upload.chunk));
        arrived.push(upload);
      }
      this.#queue.shift();
    }
    this.#unackedBytes -= bytes;
    this.#allowance -= rest;
    return latest ? { bytes, latest, begun, arrived } : 'dropped';
  }

  /** Where most are dropped: a peer that takes back all that it asks for acknowledges nothing. */
  #compact(): void {
    if (this.#queue.length < 64 || this.#queue.length < 2 * this.#byChunk.size) return;
    this.#queue = this.#queue.filter(({ dropped }) => !dropped);
  }
}
