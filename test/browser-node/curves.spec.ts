import assert from 'node:assert/strict';
import { ed25519, generateDhKeyPair } from '../../src/browser-node/curves.ts';

describe('key pairs by the browser', () => {
  const own = crypto.subtle.generateKey.bind(crypto.subtle);
  let failures: Error[] = [];
  let made = 0;
  beforeEach(() => {
    failures = [];
    made = 0;
    crypto.subtle.generateKey = (async (...args: Parameters<typeof own>) => {
      made++;
      const failure = failures.shift();
      if (failure) throw failure;
      return own(...args);
    }) as typeof own;
  });
  afterEach(() => {
    crypto.subtle.generateKey = own;
  });

  it('are made again where one cannot be, as WebKit fails now and then', async () => {
    const failed = new DOMException('it failed', 'OperationError');
    await generateDhKeyPair();
    await ed25519.generate();
    failures = [failed, failed];
    const [a, b] = [await generateDhKeyPair(), await generateDhKeyPair()];
    assert.deepEqual(await a.dh(b.publicKey), await b.dh(a.publicKey));
    failures = [failed];
    const key = await ed25519.generate();
    const message = new Uint8Array([1, 2, 3]);
    assert.ok(await ed25519.verify(key.subarray(32), await ed25519.sign(key, message), message));
  });

  it('are not tried for ever', async () => {
    const failed = new DOMException('it failed', 'OperationError');
    // Whether this browser knows the curve is looked at once.
    await generateDhKeyPair();
    failures = Array.from({ length: 100 }, () => failed);
    await assert.rejects(generateDhKeyPair(), failed);
    assert.ok(made < 20);
  });
});
