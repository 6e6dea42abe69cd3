import { createCipheriv, createHash } from 'node:crypto';
import type { SourceEntry } from '../../src/chunking/import-tree.ts';

/** A tree in memory: bytes are files, strings links, objects directories. */
export interface Tree {
  [name: string]: Uint8Array | string | Tree;
}

/** The pieces given, one after the other. */
export async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** `bytes` in pieces whose sizes go round in `sizes`. */
export async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let pos = 0, i = 0; pos < bytes.byteLength; i++) {
    const size = sizes[i % sizes.length] as number;
    yield bytes.subarray(pos, pos + size);
    pos += size;
  }
}

/** The ChaCha20 keystream with key sha256(seed) and a zero nonce, in pieces of 1 MiB. */
export async function* keystream(seed: string, bytes: number): AsyncGenerator<Uint8Array> {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  const zeros = new Uint8Array(1 << 20);
  for (let left = bytes; left > 0; left -= zeros.byteLength) {
    yield cipher.update(left < zeros.byteLength ? zeros.subarray(0, left) : zeros);
  }
}

/** `bytes` bytes without repetition, different for each seed. */
export function noise(bytes: number, seed = 'noise'): Uint8Array {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  return new Uint8Array(cipher.update(new Uint8Array(bytes)));
}

/** A tree in memory as the importer takes it. */
export function sourceOf(content: Tree[string], name = ''): SourceEntry {
  if (typeof content === 'string') return { type: 'symlink', name, target: content };
  if (content instanceof Uint8Array) {
    return { type: 'file', name, size: content.byteLength, open: () => pieces(content) };
  }
  return {
    type: 'directory',
    name,
    async *children() {
      for (const [name, child] of Object.entries(content)) yield sourceOf(child, name);
    },
  };
}
