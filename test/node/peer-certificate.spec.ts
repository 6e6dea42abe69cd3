import assert from 'node:assert/strict';
import { sign, X509Certificate } from 'node:crypto';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { generateCertificate } from '@libp2p/tls/utils';
import fc from 'fast-check';
import { verifyPeerCertificate } from '../../src/node/peer-certificate.ts';

const YEAR_MS = 365 * 24 * 3_600_000;

/** A certificate that `@libp2p/tls` made for an identity, and the key it was signed with. */
async function certificateOf(identity: PrivateKey): Promise<{ raw: Buffer; key: string }> {
  const { cert, key } = await generateCertificate(identity);
  return { raw: new X509Certificate(cert).raw, key };
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

/** The elements in the content of an element of DER. */
function within(element: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  const sizeOf = (at: Buffer): [head: number, content: number] => {
    const first = at[1] as number;
    if (first < 0x80) return [2, first];
    return [2 + first - 0x80, at.readUIntBE(2, first - 0x80)];
  };
  const [head, size] = sizeOf(element);
  for (let rest = element.subarray(head, head + size); rest.length > 0;) {
    const end = sizeOf(rest)[0] + sizeOf(rest)[1];
    parts.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return parts;
}

/** The certificate with other extensions, signed anew by its own key. */
function withExtensions({ raw, key }: { raw: Buffer; key: string }, edit: (own: Buffer) => Buffer[]): Buffer {
  const [tbs, algorithm] = within(raw) as [Buffer, Buffer];
  const fields = within(tbs);
  const [list] = within(fields.at(-1) as Buffer) as [Buffer];
  const [own] = within(list) as [Buffer];
  const edited = der(0x30, ...fields.slice(0, -1), der(0xa3, der(0x30, ...edit(own))));
  const signature = sign('sha256', edited, key);
  return der(0x30, edited, algorithm, der(0x03, Buffer.from([0]), signature));
}

/** An extension of the OID 2.999.1, which means nothing. */
function nonsense(isCritical: boolean): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.from([0xff]))] : [];
  return der(0x30, der(0x06, Buffer.from([0x88, 0x37, 0x01])), ...critical, der(0x04, Buffer.from('x')));
}

describe('the certificate of a peer', () => {
  for (const type of ['Ed25519', 'secp256k1', 'RSA'] as const) {
    it(`tells whose it is, for an identity of the type ${type}`, async () => {
      const identity = type === 'RSA' ? await generateKeyPair(type, 2048) : await generateKeyPair(type);
      const peer = peerIdFromPrivateKey(identity);
      const { raw } = await certificateOf(identity);
      assert.equal(String(await verifyPeerCertificate(raw, undefined)), String(peer));
      assert.equal(String(await verifyPeerCertificate(raw, peer)), String(peer));
    });
  }

  it('is refused where another peer is expected', async () => {
    const { raw } = await certificateOf(await generateKeyPair('Ed25519'));
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
    await assert.rejects(verifyPeerCertificate(raw, other), { name: 'UnexpectedPeerError' });
  });

  it('is refused after its time', async () => {
    const { raw } = await certificateOf(await generateKeyPair('Ed25519'));
    const nowMs = Date.now() + 101 * YEAR_MS;
    await assert.rejects(verifyPeerCertificate(raw, undefined, nowMs), { name: 'InvalidCertificateError' });
  });

  it('is taken before its time: whose it is has a clock that is ahead', async () => {
    const key = await generateKeyPair('Ed25519');
    const { raw } = await certificateOf(key);
    for (const earlierMs of [5 * 3_600_000, YEAR_MS]) {
      const peer = await verifyPeerCertificate(raw, undefined, Date.now() - earlierMs);
      assert.ok(peer.equals(peerIdFromPrivateKey(key)));
    }
  });

  it('is refused where the identity did not sign its key', async () => {
    const [honest, other] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')]);
    const forged = Object.assign(Object.create(honest), { sign: other.sign.bind(other) }) as typeof honest;
    const { raw } = await certificateOf(forged);
    await assert.rejects(verifyPeerCertificate(raw, undefined), /identity's signature/);
  });

  it("is refused where another's extension was copied into it", async () => {
    const [victim, liar] = await Promise.all([
      certificateOf(await generateKeyPair('Ed25519')),
      certificateOf(await generateKeyPair('Ed25519')),
    ]);
    let stolen: Buffer = Buffer.alloc(0);
    withExtensions(victim, (own) => [(stolen = own)]);
    const raw = withExtensions(liar, () => [stolen]);
    await assert.rejects(verifyPeerCertificate(raw, undefined), /identity's signature/);
  });

  it('may have further extensions, but none that is critical, and its own but once', async () => {
    const identity = await generateKeyPair('Ed25519');
    const certificate = await certificateOf(identity);
    const verify = (edit: (own: Buffer) => Buffer[]) =>
      verifyPeerCertificate(withExtensions(certificate, edit), undefined);
    const peer = peerIdFromPrivateKey(identity);
    assert.ok((await verify((own) => [nonsense(false), own])).equals(peer));
    await assert.rejects(
      verify((own) => [own, nonsense(true)]),
      /unknown critical extension/,
    );
    await assert.rejects(
      verify((own) => [own, own]),
      /twice|cannot be read/,
    );
    await assert.rejects(
      verify(() => [nonsense(false)]),
      /lacks libp2p's/,
    );
  });

  it('is refused with any bit of it changed, any end of it cut off, and any bytes in its place', async () => {
    const { raw } = await certificateOf(await generateKeyPair('Ed25519'));
    const refused = async (bytes: Uint8Array): Promise<void> => {
      await assert.rejects(verifyPeerCertificate(bytes, undefined), (error: Error) =>
        ['InvalidCertificateError', 'InvalidCryptoExchangeError'].includes(error.name),
      );
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(raw.length - 1), fc.nat(7), async (at, bit) => {
        const changed = Buffer.from(raw);
        changed[at] = (changed[at] as number) ^ (1 << bit);
        await refused(changed);
        await refused(raw.subarray(0, at));
      }),
    );
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), refused));
    await refused(new Uint8Array(20_000));
  });

  it('is refused with any content of its extension, whoever signed it', async () => {
    const certificate = await certificateOf(await generateKeyPair('Ed25519'));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => {
        const raw = withExtensions(certificate, (own) => {
          const [oid, critical] = within(own) as [Buffer, Buffer];
          return [der(0x30, oid, critical, der(0x04, bytes))];
        });
        await assert.rejects(verifyPeerCertificate(raw, undefined), (error: Error) =>
          ['InvalidCertificateError', 'InvalidCryptoExchangeError'].includes(error.name),
        );
      }),
    );
  });
});
