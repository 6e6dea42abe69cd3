import { ed25519 as curve, x25519 } from '@noble/curves/ed25519.js';
import type { DhKeyPair, Signing } from './curves.ts';

/** The same as `curves.ts` where the browser does not know a curve; loaded then. */
export function generateDhKeyPair(): DhKeyPair {
  const { secretKey, publicKey } = x25519.keygen();
  return { publicKey, dh: async (other) => x25519.getSharedSecret(secretKey, other) };
}

export const ed25519: Signing = {
  async generate() {
    const { secretKey, publicKey } = curve.keygen();
    return Uint8Array.of(...secretKey, ...publicKey);
  },
  sign: async (privateKey, message) => curve.sign(message, privateKey.subarray(0, curve.lengths.secretKey)),
  verify: async (publicKey, signature, message) => curve.verify(signature, message, publicKey),
};
