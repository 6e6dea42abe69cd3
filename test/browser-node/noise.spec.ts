import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as stockKeys from '@libp2p/crypto/keys';
import type { Logger, MessageStream, PrivateKey, SecuredConnection } from '@libp2p/interface';
import * as stockNoise from '@libp2p/noise';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { bundleBrowser } from '../../scripts/bundle-browser.ts';

type Encrypter = ReturnType<ReturnType<typeof stockNoise.noise>>;

/** What connects over Noise, with keys of its own. */
interface Side {
  noise: typeof stockNoise.noise;
  generateKeyPair: typeof stockKeys.generateKeyPair;
  publicKeyFromRaw: typeof stockKeys.publicKeyFromRaw;
}

const PROLOGUE = Buffer.from('libp2p-webrtc-noise:');
const log: Logger = Object.assign(() => {}, { enabled: false, error() {}, trace() {}, newScope: () => log });

/** As it is bundled for pages. */
async function bundleInto(folder: string): Promise<string> {
  const outfile = join(folder, 'page.mjs');
  await bundleBrowser({
    stdin: {
      contents: "export * from '@libp2p/noise'; export * from '@libp2p/crypto/keys';",
      resolveDir: import.meta.dirname,
    },
    outfile,
    splitting: false,
  });
  return pathToFileURL(outfile).href;
}

/** The same in a browser that knows neither curve; it asks for each once. */
async function withoutCurves(url: string): Promise<Side> {
  const { subtle } = crypto;
  const known = subtle.generateKey;
  const refused = new DOMException('no such curve', 'NotSupportedError');
  subtle.generateKey = (() => Promise.reject(refused)) as typeof known;
  try {
    const side = (await import(`${url}?by-script`)) as Side;
    const key = await side.generateKeyPair('Ed25519');
    const { error } = await meet(side, key, side, key);
    assert.equal(error, undefined);
    return side;
  } finally {
    subtle.generateKey = known;
  }
}

function encrypterOf(side: Side, privateKey: PrivateKey, prologueBytes: Uint8Array): Encrypter {
  const parts = { privateKey, upgrader: { getStreamMuxers: () => new Map() } };
  return side.noise({ prologueBytes })({ ...parts, logger: { forComponent: () => log } } as never);
}

interface Met {
  dialler?: SecuredConnection;
  listener?: SecuredConnection;
  error?: Error;
}

/** Two ends after a handshake, or why there was none. */
async function meet(
  first: Side,
  firstKey: PrivateKey,
  second: Side,
  secondKey: PrivateKey,
  { prologue = PROLOGUE, expected = peerIdFromPrivateKey(secondKey) } = {},
): Promise<Met> {
  const [out, into] = multiaddrConnectionPair();
  const ends = await Promise.allSettled([
    abortOnError(out, encrypterOf(first, firstKey, PROLOGUE).secureOutbound(out, { remotePeer: expected })),
    abortOnError(into, encrypterOf(second, secondKey, prologue).secureInbound(into)),
  ]);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) return { error: failed.reason as Error };
  const [dialler, listener] = ends.map((end) => (end as PromiseFulfilledResult<SecuredConnection>).value);
  return { ...(dialler && { dialler }), ...(listener && { listener }) };
}

async function abortOnError<T>(stream: MessageStream, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    stream.abort(error as Error);
    throw error;
  }
}

/** So many bytes that come out of a connection. */
function read(connection: MessageStream, length: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parts: Uint8Array[] = [];
  let got = 0;
  connection.addEventListener('message', ({ data }) => {
    parts.push(data.subarray());
    got += data.byteLength;
    if (got >= length) resolve(Buffer.concat(parts));
  });
  connection.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')));
  return promise;
}

describe('Noise of pages', () => {
  let folder: string;
  const sides: Record<string, Side> = { stock: { ...stockNoise, ...stockKeys } };
  const keys: Record<string, PrivateKey> = {};
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-noise-'));
    const url = await bundleInto(folder);
    sides.page = (await import(url)) as Side;
    sides['old page'] = await withoutCurves(url);
    for (const [name, side] of Object.entries(sides)) keys[name] = await side.generateKeyPair('Ed25519');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const between = (first: string, second: string, how?: Parameters<typeof meet>[4]): Promise<Met> => {
    const [one, other] = [sides[first], sides[second]];
    const [oneKey, otherKey] = [keys[first], keys[second]];
    assert.ok(one && other && oneKey && otherKey);
    return meet(one, oneKey, other, otherKey, how);
  };

  for (const [first, second] of [
    ['page', 'stock'],
    ['stock', 'page'],
    ['page', 'page'],
    ['old page', 'stock'],
    ['stock', 'old page'],
    ['page', 'old page'],
  ] as const) {
    it(`connects a ${first} to a ${second}, and each knows who the other is`, async () => {
      const { dialler, listener, error } = await between(first, second);
      assert.ifError(error);
      assert.ok(dialler && listener);
      assert.equal(
        dialler.remotePeer?.toString(),
        peerIdFromPrivateKey(keys[second] as PrivateKey).toString(),
      );
      assert.equal(
        listener.remotePeer?.toString(),
        peerIdFromPrivateKey(keys[first] as PrivateKey).toString(),
      );
      const [there, back] = [randomBytes(200_000), randomBytes(70_000)];
      const arrived = [read(listener.connection, there.length), read(dialler.connection, back.length)];
      for (let at = 0; at < there.length; at += 50_000)
        dialler.connection.send(there.subarray(at, at + 50_000));
      listener.connection.send(back);
      assert.deepEqual(await Promise.all(arrived), [there, back]);
    });

    it(`does not connect a ${first} to a ${second} of another prologue`, async () => {
      const { error } = await between(first, second, { prologue: Buffer.from('libp2p-webrtc-noise!') });
      assert.ok(error);
    });
  }

  for (const name of ['page', 'old page']) {
    it(`refuses in a ${name} a peer that is not who was dialled`, async () => {
      const stranger = peerIdFromPrivateKey(await stockKeys.generateKeyPair('Ed25519'));
      const { error } = await between(name, 'stock', { expected: stranger });
      assert.equal(error?.name, 'UnexpectedPeerError');
    });

    it(`refuses in a ${name} what is no message of a handshake`, async () => {
      const answers = {
        'too short': 31,
        'zeros, which make no secret': 96,
        'of a stranger': 250,
        'a tag too few': 80,
      };
      for (const [what, length] of Object.entries(answers)) {
        const bytes = what.startsWith('zeros') ? Buffer.alloc(length) : randomBytes(length);
        const [out, into] = multiaddrConnectionPair();
        into.addEventListener('message', () => into.send(Buffer.concat([Buffer.of(0, length), bytes])), {
          once: true,
        });
        const encrypter = encrypterOf(sides[name] as Side, keys[name] as PrivateKey, PROLOGUE);
        await assert.rejects(encrypter.secureOutbound(out), { name: 'InvalidCryptoExchangeError' }, what);
        out.abort(new Error('done'));
      }
    });

    for (const type of ['RSA', 'secp256k1'] as const) {
      it(`refuses in a ${name} a peer with a key of ${type}, whoever dials`, async () => {
        const other = await stockKeys.generateKeyPair(type as 'RSA');
        const [page, stock] = [sides[name] as Side, sides.stock as Side];
        const own = keys[name] as PrivateKey;
        const ends = [await meet(page, own, stock, other), await meet(stock, other, page, own)];
        for (const { error } of ends) assert.equal(error?.name, 'UnexpectedPeerError');
      });
    }

    it(`refuses in a ${name} its own messages, and those of another handshake`, async () => {
      const secure = (way: 'secureInbound' | 'secureOutbound', stream: MessageStream): Promise<unknown> =>
        encrypterOf(sides[name] as Side, keys[name] as PrivateKey, PROLOGUE)[way](stream);
      // Whoever dials hears itself.
      const [mirror, behind] = multiaddrConnectionPair();
      behind.addEventListener('message', ({ data }) => behind.send(data));
      await assert.rejects(secure('secureOutbound', mirror), { name: 'InvalidCryptoExchangeError' });
      mirror.abort(new Error('done'));
      // An answer that was right once.
      const [out, into] = multiaddrConnectionPair();
      const answer = new Promise<Uint8Array>((resolve) =>
        out.addEventListener('message', ({ data }) => resolve(data.subarray()), { once: true }),
      );
      await Promise.all([secure('secureOutbound', out), secure('secureInbound', into)]);
      const [again, replaying] = multiaddrConnectionPair();
      replaying.addEventListener('message', () => void answer.then((bytes) => replaying.send(bytes)), {
        once: true,
      });
      await assert.rejects(secure('secureOutbound', again), { name: 'InvalidCryptoExchangeError' });
      for (const end of [out, again]) end.abort(new Error('done'));
    });

    it(`ends in a ${name} a handshake that goes on for too long`, async () => {
      const [out] = multiaddrConnectionPair();
      const signal = AbortSignal.timeout(20);
      const encrypter = encrypterOf(sides[name] as Side, keys[name] as PrivateKey, PROLOGUE);
      await assert.rejects(encrypter.secureOutbound(out, { signal }), { name: 'TimeoutError' });
      out.abort(new Error('done'));
    });

    it(`closes in a ${name} a connection of which a message was changed on its way`, async () => {
      const [out, into] = multiaddrConnectionPair();
      const key = keys[name] as PrivateKey;
      const [, listener] = await Promise.all([
        encrypterOf(sides.stock as Side, keys.stock as PrivateKey, PROLOGUE).secureOutbound(out),
        encrypterOf(sides[name] as Side, key, PROLOGUE).secureInbound(into),
      ]);
      const closed = assert.rejects(read(listener.connection, 1));
      out.send(Buffer.concat([Buffer.of(0, 40), randomBytes(40)]));
      await closed;
    });

    it(`signs in a ${name} what others verify, and verifies what they sign`, async () => {
      const message = randomBytes(100);
      const [own, other] = [keys[name] as PrivateKey, keys.stock as PrivateKey];
      const verifies = async (side: Side, key: PrivateKey, signature: Uint8Array): Promise<boolean> =>
        side.publicKeyFromRaw(key.publicKey.raw).verify(message, signature);
      const [byOwn, byOther] = [await own.sign(message), await other.sign(message)];
      assert.equal(await verifies(sides.stock as Side, own, byOwn), true);
      assert.equal(await verifies(sides[name] as Side, other, byOther), true);
      assert.equal(await verifies(sides[name] as Side, own, byOther), false);
    });
  }
});
