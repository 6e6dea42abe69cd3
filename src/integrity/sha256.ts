import { hash } from 'node:crypto';

/** SHA-256 of `bytes`: 32 bytes. The fastest strong hash that JavaScript has (see docs/protocol.md). */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** SHA-256 as both platforms have it. In browsers `sha256.browser.ts` stands in for this file, and gives a promise. */
export function digestOf(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
  return sha256(bytes);
}
