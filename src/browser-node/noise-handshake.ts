import { InvalidCryptoExchangeError } from '@libp2p/interface';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { Uint8ArrayList } from 'uint8arraylist';
import { concat } from 'uint8arrays/concat';
import { generateDhKeyPair, KEY_BYTES } from './curves.ts';

/** Bytes as libp2p's streams have them. */
type Bytes = Uint8Array | Uint8ArrayList;

/** What {@link handshake} is given. `P` is what the peer's payload proves. */
export interface HandshakeParts<P> {
  initiator: boolean;
  prologue: Uint8Array;
  connection: {
    read(options?: object): Promise<Bytes>;
    write(bytes: Uint8Array, options?: object): Promise<void>;
  };
  /** What is told of ourselves, for the key that stands for us in this handshake. */
  createPayload(staticKey: Uint8Array): Promise<Uint8Array>;
  /** Throws where it does not prove who the peer is, whose key is this. */
  checkPayload(payload: Uint8Array, staticKey: Uint8Array): Promise<P>;
  /** For reading and writing. */
  options?: object;
}

/** The two directions of a connection after its handshake. */
export interface Handshake<P> {
  payload: P;
  encrypt(plain: Bytes): Uint8Array;
  /** @param into is written to, where given: may be the same memory */
  decrypt(sealed: Bytes, into?: Uint8Array): Uint8Array;
}

const NAME = new TextEncoder().encode('Noise_XX_25519_ChaChaPoly_SHA256');
const NOTHING = new Uint8Array(0);
const TAG_BYTES = 16;

/** As in `@libp2p/noise`, whose count has four bytes: a connection ends before a nonce would come again. */
const MAX_NONCE = 0xffff_ffff;

/**
 * Noise's XX handshake as libp2p has it, by the browser's own curve and hash. It takes the place of the one in
 * `@libp2p/noise` (`scripts/lean-libp2p.ts`), which brings its own of both: a tenth of what a page loads at first.
 * The names are those of the specification.
 *
 * Sources: https://noiseprotocol.org/noise.html#handshake-patterns, https://github.com/libp2p/specs/tree/master/noise
 *
 * @throws InvalidCryptoExchangeError where a message is none; and what `checkPayload` throws
 */
export async function handshake<P>(parts: HandshakeParts<P>): Promise<Handshake<P>> {
  const { connection, initiator, options } = parts;
  const [s, e, state] = await Promise.all([generateDhKeyPair(), generateDhKeyPair(), begin(parts.prologue)]);
  const ours = await parts.createPayload(s.publicKey);
  const read = async (step: (message: Uint8Array) => Promise<void>): Promise<void> => {
    const message = (await connection.read(options)).subarray();
    try {
      await step(message);
    } catch (error) {
      throw new InvalidCryptoExchangeError(`Noise handshake failed: ${String(error)}`);
    }
  };
  let re = NOTHING;
  let rs = NOTHING;
  let theirs = NOTHING;
  const writeE = async (): Promise<Uint8Array> => (await state.mixHash(e.publicKey), e.publicKey);
  const readE = (message: Uint8Array): Promise<void> => state.mixHash((re = key(message, 0)));
  const writeS = (): Promise<Uint8Array> => state.encrypt(s.publicKey);
  const readS = async (message: Uint8Array, at: number): Promise<void> => {
    rs = key(await state.decrypt(message.subarray(at, at + KEY_BYTES + TAG_BYTES)), 0);
  };
  const ee = async (): Promise<void> => state.mixKey(await e.dh(re));
  // The initiator's ephemeral key with the responder's static one, and the other way round.
  const es = async (): Promise<void> => state.mixKey(await (initiator ? e.dh(rs) : s.dh(re)));
  const se = async (): Promise<void> => state.mixKey(await (initiator ? s.dh(re) : e.dh(rs)));

  if (initiator) {
    await connection.write(concat([await writeE(), await state.encrypt(NOTHING)]), options);
    await read(async (message) => {
      await readE(message);
      await ee();
      await readS(message, KEY_BYTES);
      await es();
      theirs = await state.decrypt(message.subarray(2 * KEY_BYTES + TAG_BYTES));
    });
  } else {
    await read(async (message) => {
      await readE(message);
      await state.decrypt(message.subarray(KEY_BYTES));
    });
    const first = await writeE();
    await ee();
    const second = await writeS();
    await es();
    await connection.write(concat([first, second, await state.encrypt(ours)]), options);
    await read(async (message) => {
      await readS(message, 0);
      await se();
      theirs = await state.decrypt(message.subarray(KEY_BYTES + TAG_BYTES));
    });
  }
  const payload = await parts.checkPayload(theirs, rs);
  if (initiator) {
    const first = await writeS();
    await se();
    await connection.write(concat([first, await state.encrypt(ours)]), options);
  }
  const [ofInitiator, ofResponder] = await state.split();
  const [out, into] = initiator ? [ofInitiator, ofResponder] : [ofResponder, ofInitiator];
  return {
    payload,
    encrypt: (plain) => out.seal(NOTHING, plain.subarray()),
    decrypt: (sealed, memory) => into.open(NOTHING, sealed.subarray(), memory),
  };
}

/** What both ends know so far, of each message and each secret. */
class SymmetricState {
  #chaining: Uint8Array = NAME;
  #hash: Uint8Array = NAME;
  #cipher: CipherState | undefined;

  async mixHash(bytes: Uint8Array): Promise<void> {
    const all = concat([this.#hash, bytes]);
    this.#hash = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  }

  async mixKey(secret: Uint8Array): Promise<void> {
    const [chaining, keyOfCipher] = await hkdf(this.#chaining, secret);
    this.#chaining = chaining;
    this.#cipher = new CipherState(keyOfCipher);
  }

  /** Before the first secret nothing is encrypted. */
  async encrypt(plain: Uint8Array): Promise<Uint8Array> {
    const sealed = this.#cipher ? this.#cipher.seal(this.#hash, plain) : plain;
    await this.mixHash(sealed);
    return sealed;
  }

  async decrypt(sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const plain = this.#cipher ? this.#cipher.open(this.#hash, sealed) : sealed;
    await this.mixHash(sealed);
    return plain as Uint8Array<ArrayBuffer>;
  }

  async split(): Promise<[CipherState, CipherState]> {
    const [first, second] = await hkdf(this.#chaining, NOTHING);
    return [new CipherState(first), new CipherState(second)];
  }
}

/** The name has as many bytes as a hash, so that it is one as it is. */
async function begin(prologue: Uint8Array): Promise<SymmetricState> {
  const state = new SymmetricState();
  await state.mixHash(prologue);
  return state;
}

/** A key, and how often it was used. */
class CipherState {
  readonly #key: Uint8Array;
  readonly #nonce = new DataView(new ArrayBuffer(12));
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#key = bytes;
  }

  seal(ad: Uint8Array, plain: Uint8Array): Uint8Array {
    const sealed = this.#next(ad).encrypt(plain);
    this.#count += 1;
    return sealed;
  }

  open(ad: Uint8Array, sealed: Uint8Array, into?: Uint8Array): Uint8Array {
    const plain = this.#next(ad).decrypt(sealed, into);
    // Not before: what is no message leaves the count as it was.
    this.#count += 1;
    return plain;
  }

  #next(ad: Uint8Array): ReturnType<typeof chacha20poly1305> {
    if (this.#count > MAX_NONCE) throw new Error('this connection has had as many messages as it may');
    this.#nonce.setUint32(4, this.#count, true);
    return chacha20poly1305(this.#key, new Uint8Array(this.#nonce.buffer), ad);
  }
}

/** Two keys of a secret. */
async function hkdf(
  chaining: Uint8Array,
  secret: Uint8Array,
): Promise<[Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>]> {
  const temporary = await hmac(chaining, secret);
  const first = await hmac(temporary, Uint8Array.of(1));
  return [first, await hmac(temporary, concat([first, Uint8Array.of(2)]))];
}

async function hmac(secret: Uint8Array, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const how = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', secret as Uint8Array<ArrayBuffer>, how, false, [
    'sign',
  ]);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message as Uint8Array<ArrayBuffer>));
}

/** @throws RangeError where there is less than a key */
function key(message: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  if (message.byteLength < at + KEY_BYTES) throw new RangeError('it is too short');
  return message.slice(at, at + KEY_BYTES) as Uint8Array<ArrayBuffer>;
}
