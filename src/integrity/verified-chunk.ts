import { ShoalError } from '../errors.ts';
import { digestOf } from './sha256.ts';

/** Whether two digests are equal. Not constant-time: digests are public. */
export function digestEquals(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Bytes that are known to hash to the digest they were asked for by. The constructor is private: the way to one is
 * {@link VerifiedChunk.verify}, and from there, for the same bytes read again, a secret seal, or a copy. So whatever takes a
 * `VerifiedChunk` (the store, the uplink, the application) cannot be handed unverified bytes.
 */
export class VerifiedChunk {
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;

  private constructor(digest: Uint8Array, bytes: Uint8Array) {
    this.digest = digest;
    this.bytes = bytes;
  }

  /**
   * Asynchronous because browsers hash asynchronously; in Node it resolves in the same turn.
   *
   * @param digest the sha2-256 digest the bytes must have, 32 bytes
   * @returns the chunk, or `undefined` where the bytes are not what they claim to be: whom to blame for that is
   * for the caller, who knows where they came from
   */
  static async verify(digest: Uint8Array, bytes: Uint8Array): Promise<VerifiedChunk | undefined> {
    const found = digestOf(bytes);
    const actual = found instanceof Uint8Array ? found : await found;
    return digestEquals(actual, digest) ? new VerifiedChunk(digest, bytes) : undefined;
  }

  /** Bytes that a MAC shows to be those of an earlier verified chunk: only `Seals` (src/store/seals.ts) may say so. */
  static bySeal(digest: Uint8Array, bytes: Uint8Array): VerifiedChunk {
    return new VerifiedChunk(digest, bytes);
  }

  /** The same bytes in other memory, of the same length. */
  copiedInto(memory: Uint8Array): VerifiedChunk {
    memory.set(this.bytes);
    return new VerifiedChunk(this.digest, memory);
  }

  /** As {@link VerifiedChunk.verify}, but throws `ERR_CHUNK_HASH_MISMATCH` naming `what`. */
  static async expect(digest: Uint8Array, bytes: Uint8Array, what: string): Promise<VerifiedChunk> {
    const chunk = await VerifiedChunk.verify(digest, bytes);
    if (!chunk) {
      throw new ShoalError('ERR_CHUNK_HASH_MISMATCH', `${what} does not have the content its name promises`);
    }
    return chunk;
  }
}
