import type { Plugin } from 'esbuild';

/**
 * What `@chainsafe/libp2p-noise` encrypts small messages with is WebAssembly of its own, in three modules that are compiled and
 * get their memory when they are loaded, though nodes speak TLS with each other. Node's own cipher does the same: 5 MB less of
 * memory in each node.
 */
const BY_NODE: Record<string, string> = {
  '@chainsafe/as-chacha20poly1305': `import { createCipheriv, createDecipheriv } from 'node:crypto';
const NAME = 'chacha20-poly1305';
const TAG = { authTagLength: 16 };
export const newInstance = () => undefined;
export class ChaCha20Poly1305 {
  seal(key, nonce, plain, ad) {
    const cipher = createCipheriv(NAME, key, nonce, TAG);
    if (ad) cipher.setAAD(ad, { plaintextLength: plain.byteLength });
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
  open(key, nonce, sealed, ad) {
    const length = sealed.byteLength - 16;
    if (length < 0) return null;
    const decipher = createDecipheriv(NAME, key, nonce, TAG);
    if (ad) decipher.setAAD(ad, { plaintextLength: length });
    decipher.setAuthTag(sealed.subarray(length));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]);
    } catch {
      return null;
    }
  }
}`,
  '@chainsafe/as-sha256': `import { createHash } from 'node:crypto';
export const digest = (bytes) => createHash('sha256').update(bytes).digest();`,
};

/** Has Noise use Node's cipher for all messages, for the Node bundle. */
export const leanNoise: Plugin = {
  name: 'lean-noise',
  setup(building) {
    building.onResolve({ filter: /^@chainsafe\/as-/ }, ({ path }) =>
      path in BY_NODE ? { path, namespace: 'by-node' } : undefined,
    );
    building.onLoad({ filter: /.*/, namespace: 'by-node' }, ({ path }) => ({
      contents: BY_NODE[path] ?? '',
    }));
  },
};
