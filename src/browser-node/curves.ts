import { base64url } from 'multiformats/bases/base64';
import { notLoaded } from '../not-loaded.ts';

/** The curves that libp2p needs, by the browser itself. */
export type Curve = 'Ed25519' | 'X25519';

/** Length of keys of both. Source: https://www.rfc-editor.org/rfc/rfc8032 and rfc7748 */
export const KEY_BYTES = 32;

/** A key pair for one handshake; its secret stays where it is. */
export interface DhKeyPair {
  readonly publicKey: Uint8Array;
  /** @throws where the other key is one that makes no secret */
  dh(publicKey: Uint8Array): Promise<Uint8Array>;
}

/** Key pairs of Ed25519, 64 bytes with the public half last, as libp2p has them; and signatures. */
export interface Signing {
  generate(): Promise<Uint8Array>;
  sign(privateKey: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
  verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}

const USES = { Ed25519: ['sign', 'verify'], X25519: ['deriveBits'] } as const;
const asked = new Map<Curve, Promise<boolean>>();

/** Whether this browser knows a curve: since Chromium 137, Firefox 130 and Safari 17 both. The others load `curves-by-script.ts`. */
function isKnown(curve: Curve): Promise<boolean> {
  let known = asked.get(curve);
  if (!known) {
    known = newPair(curve, false).then(
      () => true,
      () => false,
    );
    asked.set(curve, known);
  }
  return known;
}

/**
 * WebKitGTK 2.50 fails to make one pair of Ed25519 in 120, and one of X25519 in 270 (15,300 of the one, 30,600 of the other): about
 * as many as have a number with a byte of zeros before it. The next one is another.
 */
const PAIR_TRIES = 8;

async function newPair(curve: Curve, isExtractable: boolean): Promise<CryptoKeyPair> {
  for (let tries = 1; ; tries++) {
    try {
      return (await crypto.subtle.generateKey(curve, isExtractable, USES[curve])) as CryptoKeyPair;
    } catch (error) {
      if (tries === PAIR_TRIES || (error as Error).name !== 'OperationError') throw error;
    }
  }
}

const byScript = () => import('./curves-by-script.ts').catch(notLoaded);

/** What WebCrypto takes: never of memory that is shared. */
type Bytes = Uint8Array<ArrayBuffer>;

/** Makes a key pair of X25519. */
export async function generateDhKeyPair(): Promise<DhKeyPair> {
  if (!(await isKnown('X25519'))) return (await byScript()).generateDhKeyPair();
  const pair = await newPair('X25519', false);
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
    dh: async (publicKey) => {
      const other = await crypto.subtle.importKey('raw', publicKey as Bytes, 'X25519', false, []);
      const secret = { name: 'X25519', public: other };
      return new Uint8Array(await crypto.subtle.deriveBits(secret, pair.privateKey, KEY_BYTES * 8));
    },
  };
}

/** Signs and verifies, and makes keys for that. */
export const ed25519: Signing = {
  async generate() {
    if (!(await isKnown('Ed25519'))) return (await byScript()).ed25519.generate();
    const pair = await newPair('Ed25519', true);
    const { d = '', x = '' } = await crypto.subtle.exportKey('jwk', pair.privateKey);
    const key = new Uint8Array(2 * KEY_BYTES);
    key.set(base64url.baseDecode(d));
    key.set(base64url.baseDecode(x), KEY_BYTES);
    return key;
  },

  async sign(privateKey, message) {
    if (!(await isKnown('Ed25519'))) return (await byScript()).ed25519.sign(privateKey, message);
    const d = base64url.baseEncode(privateKey.subarray(0, KEY_BYTES));
    const x = base64url.baseEncode(privateKey.subarray(KEY_BYTES));
    const key = await crypto.subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', d, x }, 'Ed25519', false, [
      'sign',
    ]);
    return new Uint8Array(await crypto.subtle.sign('Ed25519', key, message as Bytes));
  },

  async verify(publicKey, signature, message) {
    if (!(await isKnown('Ed25519'))) return (await byScript()).ed25519.verify(publicKey, signature, message);
    const key = await crypto.subtle.importKey('raw', publicKey as Bytes, 'Ed25519', false, ['verify']);
    return crypto.subtle.verify('Ed25519', key, signature as Bytes, message as Bytes);
  },
};
