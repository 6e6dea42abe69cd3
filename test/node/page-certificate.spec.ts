import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { pageCertificate } from '../../src/node/page-certificate.ts';
import type { Store } from '../../src/store/store.ts';

const YEAR_MS = 365 * 24 * 3_600_000;

describe('the certificate for pages', () => {
  const all = new Map<string, Uint8Array>();
  const store = {
    getSetting: async (key: string) => all.get(key),
    putSetting: async (key: string, value: Uint8Array) => void all.set(key, value),
  } as unknown as Store;
  const lines: string[] = [];
  const at = (nowMs: number) => pageCertificate(store, (level) => void lines.push(level), nowMs);
  const nowMs = Date.UTC(2026, 0, 1);

  beforeEach(() => {
    all.clear();
    lines.length = 0;
  });

  it('stays the same for years', async () => {
    const { certhash, pem } = await at(nowMs);
    assert.equal((await at(nowMs + 8 * YEAR_MS)).certhash, certhash);
    const { validFrom, validTo, publicKey } = new X509Certificate(pem);
    assert.equal(Date.parse(validFrom), nowMs);
    assert.equal(Date.parse(validTo), nowMs + 10 * YEAR_MS);
    assert.equal(publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.deepEqual(lines, []);
  });

  it('is renewed a year before its end, and that is told', async () => {
    const { certhash } = await at(nowMs);
    assert.notEqual((await at(nowMs + 9 * YEAR_MS)).certhash, certhash);
    assert.deepEqual(lines, ['warn']);
  });

  it('is made anew where what is stored cannot be read', async () => {
    all.set('page-certificate', new TextEncoder().encode('{"pem":1}'));
    assert.match((await at(nowMs)).certhash, /^uEi/);
  });
});
