import assert from 'node:assert/strict';
import { bases } from 'multiformats/basics';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { parseCid } from '../../src/integrity/parse-cid.ts';

const TEXT = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';
const cid = CID.parse(TEXT);

describe('parseCid', () => {
  for (const [name, base] of Object.entries(bases)) {
    it(`reads a CID written in ${name}`, () => {
      assert.equal(parseCid(base.encoder.encode(cid.bytes)).toString(), TEXT);
    });
  }

  it('reads a CID of a single leaf', () => {
    const leaf = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';
    assert.equal(parseCid(leaf).code, 0x55);
  });

  it('takes one that was pasted with what stood around it', () => {
    assert.equal(parseCid(` ${TEXT}\n`).toString(), TEXT);
  });

  const malformed = [
    '',
    'b',
    'hello',
    TEXT.slice(0, -1),
    `${TEXT}a`,
    `${TEXT} ${TEXT}`,
    `${TEXT.slice(0, -1)}!`,
    `/ipfs/${TEXT}`,
    'Qm',
    'z',
    '\0',
    'b'.repeat(10_000),
    'bafy',
  ];
  for (const text of malformed) {
    it(`calls ${JSON.stringify(text.slice(0, 70))} no CID`, () => {
      assert.throws(
        () => parseCid(text),
        (error: any) => error.code === 'ERR_INVALID_CID' && error.message.length < 400,
      );
    });
  }

  for (const value of [undefined, null, 5, {}, Symbol('a CID'), Object.create(null)]) {
    it(`says that a CID is text to whoever gives ${value === null ? 'null' : typeof value}`, () => {
      assert.throws(() => parseCid(value as any), { code: 'ERR_INVALID_CID', message: /given as text/ });
    });
  }

  const digest = cid.multihash.digest;
  const unsupported: [what: string, text: string][] = [
    ['a CIDv0', 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'],
    ['dag-cbor', CID.createV1(0x71, cid.multihash).toString()],
    ['sha2-512', CID.createV1(0x70, create(0x13, new Uint8Array(64))).toString()],
    ['an identity hash', CID.createV1(0x55, create(0x00, new Uint8Array(5))).toString()],
    ['a truncated sha2-256', CID.createV1(0x55, create(0x12, digest.subarray(0, 20))).toString()],
    ['a libp2p key', CID.createV1(0x72, cid.multihash).toString()],
  ];
  for (const [what, text] of unsupported) {
    it(`says that it does not support ${what}`, () => {
      assert.throws(() => parseCid(text), { code: 'ERR_UNSUPPORTED_CID' });
    });
  }
});
