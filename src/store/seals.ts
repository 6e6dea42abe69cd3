import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { MIN_SEALED_BYTES, sealOf } from './seal-of.ts';

/** Chunks whose seals are kept, in 16 bytes each: 32 GiB of chunks of 1 MiB. Of others the hash is taken again. */
const SLOTS = 1 << 15;

/**
 * Knows bytes again that had the right hash when this process imported, wrote or read them, by a MAC with a secret that is
 * drawn anew for each data folder that is opened. A file that changed, by accident or on purpose, is found out as by its hash: who
 * does not know the secret cannot make other bytes with the same seal.
 */
export class Seals {
  /** For threads that read for the first time. */
  readonly key: KeyObject = createSecretKey(randomBytes(16));
  /** By the first bits of the digest; whoever comes later takes the place. 0: nobody. */
  readonly #digests = new BigUint64Array(SLOTS);
  readonly #seals = new BigUint64Array(SLOTS);

  /** Keeps the seal of a verified chunk whose bytes will be read again, if it is worth it. */
  keep({ digest, bytes }: VerifiedChunk): void {
    if (bytes.byteLength >= MIN_SEALED_BYTES) this.note(digest, sealOf(this.key, bytes));
  }

  /** Keeps a seal that was made together with the digest. */
  note(digest: Uint8Array, seal: bigint): void {
    const { id, slot } = placeOf(digest);
    this.#digests[slot] = id;
    this.#seals[slot] = seal;
  }

  /** As {@link VerifiedChunk.verify}, of bytes that may have been seen before. */
  async verify(digest: Uint8Array, bytes: Uint8Array): Promise<VerifiedChunk | undefined> {
    if (bytes.byteLength < MIN_SEALED_BYTES) return VerifiedChunk.verify(digest, bytes);
    const { id, slot } = placeOf(digest);
    if (this.#digests[slot] === id && this.#seals[slot] === sealOf(this.key, bytes))
      return VerifiedChunk.bySeal(digest, bytes);
    const verified = await VerifiedChunk.verify(digest, bytes);
    if (verified) this.keep(verified);
    return verified;
  }
}

function placeOf(digest: Uint8Array): { id: bigint; slot: number } {
  const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  return { id: view.getBigUint64(0), slot: view.getUint32(8) % SLOTS };
}
