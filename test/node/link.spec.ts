import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ShoalError } from '../../src/errors.ts';
import { formatLink, parseLink } from '../../src/node/link.ts';

const CID_TEXT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
const ADDRESS = '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWGmF1h7DLp6WpbmvsGEGrf2H2a8kzq9Y5KsWHTDGvLqW6';

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof ShoalError ? error.code : String(error);
  }
  return undefined;
}

describe('links', () => {
  it('keep multiaddrs readable', () => {
    assert.equal(formatLink(CID_TEXT, 'a b.txt', [ADDRESS]), `shoal:${CID_TEXT}?n=a+b.txt&a=${ADDRESS}`);
  });

  it('are a scheme and a CID where nothing else is known', () => {
    assert.equal(formatLink(CID_TEXT, undefined, []), `shoal:${CID_TEXT}`);
  });

  it('read back what was written, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), (name) => {
        const parts = parseLink(formatLink(CID_TEXT, name, [ADDRESS, '/ip4/10.0.0.1/tcp/1']));
        assert.equal(parts.cid.toString(), CID_TEXT);
        assert.equal(parts.name, name.isWellFormed() ? name : name.toWellFormed());
        assert.deepEqual(parts.addresses, [ADDRESS, '/ip4/10.0.0.1/tcp/1']);
      }),
    );
  });

  it('may be a bare CID', () => {
    assert.equal(parseLink(` ${CID_TEXT}\n`).cid.toString(), CID_TEXT);
  });

  it('may have nothing but a CID, and be written with slashes', () => {
    for (const text of [`shoal:${CID_TEXT}`, `SHOAL://${CID_TEXT}`, `shoal:${CID_TEXT}?`]) {
      const { cid, name, addresses } = parseLink(text);
      assert.deepEqual([cid.toString(), name, addresses], [CID_TEXT, undefined, []]);
    }
  });

  it('without a CID or with a wrong one are refused by name', () => {
    assert.equal(
      codeOf(() => parseLink('shoal:?n=x')),
      'ERR_INVALID_LINK',
    );
    assert.equal(
      codeOf(() => parseLink('shoal:nonsense')),
      'ERR_INVALID_CID',
    );
    assert.equal(
      codeOf(() => parseLink('https://example.com')),
      'ERR_INVALID_CID',
    );
    for (const value of [undefined, 5, {}, new URL(`shoal:${CID_TEXT}`)])
      assert.equal(
        codeOf(() => parseLink(value as any)),
        'ERR_INVALID_CID',
      );
  });

  it('give at most 255 characters of a name, and no half of one', () => {
    const { name } = parseLink(formatLink(CID_TEXT, `${'é'.repeat(254)}🐟.mp4`, []));
    assert.equal(name, 'é'.repeat(254));
  });

  it('give at most 32 addresses, however many they name', () => {
    const many = Array.from({ length: 100 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`);
    assert.equal(parseLink(formatLink(CID_TEXT, 'x', many)).addresses.length, 32);
  });
});
