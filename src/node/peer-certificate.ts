import { X509Certificate } from 'node:crypto';
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys';
import { InvalidCryptoExchangeError, UnexpectedPeerError, type PeerId } from '@libp2p/interface';
import { peerIdFromPublicKey } from '@libp2p/peer-id';

/** DER of 1.3.6.1.4.1.53594.1.1, libp2p's public key extension. */
const EXTENSION_OID = Buffer.from('2b0601040183a25a0101', 'hex');

/** What the identity's signature covers, before the certificate's public key. */
const SIGNED_PREFIX = Buffer.from('libp2p-tls-handshake:');

/** An honest certificate has about 500 bytes with Ed25519 and 1,600 with RSA; there is no reason to read a longer one. */
const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** The tags of DER that a certificate's frame is made of. */
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;
const OID = 0x06;
const SEQUENCE = 0x30;
/** `[0] version` and `[3] extensions` of a TBSCertificate. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

/** A certificate that libp2p's rules do not allow. Named as `@libp2p/tls` names it. */
export class InvalidCertificateError extends Error {
  override readonly name = 'InvalidCertificateError';
}

/**
 * Verifies the certificate by which a peer proves its identity in a TLS handshake, and tells who it is: self-signed,
 * not expired, and with libp2p's extension, in which the identity signs the certificate's public key.
 *
 * `@libp2p/tls` does the same in JavaScript, which was a tenth of the processor time of a crowd that forms; here
 * OpenSSL verifies, and no more than the frame is parsed. Stricter than there: of extensions none other may be
 * critical, and libp2p's may not come twice, as the spec has it. And one that is not valid yet is taken: it was made just now, by a
 * clock that is ahead of this one. Where no machine asks for the time, or takes its zone's for UTC, peers an hour apart never
 * met; the date guards nothing, since what it bounds lasts for a hundred years.
 *
 * @param raw the certificate, DER
 * @param expected who was dialled, where that is known
 * @param nowMs for its end
 * @throws InvalidCertificateError, InvalidCryptoExchangeError for a signature that does not hold, UnexpectedPeerError
 * @see https://github.com/libp2p/specs/blob/master/tls/tls.md
 */
export async function verifyPeerCertificate(
  raw: Uint8Array,
  expected: PeerId | undefined,
  nowMs = Date.now(),
): Promise<PeerId> {
  if (raw.byteLength > MAX_CERTIFICATE_BYTES)
    throw new InvalidCertificateError('The certificate is too long');
  const certificate = parse(raw);
  if (certificate.validToDate.getTime() < nowMs) {
    throw new InvalidCertificateError('The certificate has expired');
  }
  if (!isSelfSigned(certificate)) {
    throw new InvalidCryptoExchangeError('The certificate is not signed by its own key');
  }
  const { publicKeyInfo, extensions } = partsOf(raw);
  const [keyBytes, signature] = signedKeyOf(extensions);
  const identity = identityOf(keyBytes);
  if (!(await isSigned(identity, publicKeyInfo, signature))) {
    throw new InvalidCryptoExchangeError("The identity's signature of the certificate's key does not hold");
  }
  const peer = peerIdFromPublicKey(identity);
  if (expected?.equals(peer) === false) throw new UnexpectedPeerError();
  return peer;
}

function parse(raw: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(raw);
  } catch (cause) {
    throw new InvalidCertificateError('The certificate cannot be read', { cause });
  }
}

function isSelfSigned(certificate: X509Certificate): boolean {
  try {
    return certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey);
  } catch {
    // A kind of key or signature that OpenSSL does not know.
    return false;
  }
}

function identityOf(bytes: Uint8Array): ReturnType<typeof publicKeyFromProtobuf> {
  try {
    return publicKeyFromProtobuf(bytes);
  } catch (cause) {
    throw new InvalidCertificateError("The identity's public key cannot be read", { cause });
  }
}

async function isSigned(
  identity: ReturnType<typeof publicKeyFromProtobuf>,
  publicKeyInfo: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    return await identity.verify(Buffer.concat([SIGNED_PREFIX, publicKeyInfo]), signature);
  } catch {
    // Not even the form of a signature.
    return false;
  }
}

/** The subject's public key, DER as the certificate has it, and the extensions of a certificate. */
function partsOf(raw: Uint8Array): { publicKeyInfo: Uint8Array; extensions: readonly Element[] } {
  const [certificate] = elementsOf(raw);
  const [tbs] = elementsOf(contentOf(certificate, SEQUENCE));
  const fields = elementsOf(contentOf(tbs, SEQUENCE));
  // serialNumber, signature, issuer, validity and subject come before it; a version may come first.
  const publicKeyInfo = fields[fields[0]?.tag === VERSION ? 6 : 5];
  contentOf(publicKeyInfo, SEQUENCE);
  const tagged = fields.find(({ tag }) => tag === EXTENSIONS);
  const [list] = tagged ? elementsOf(tagged.content) : [];
  return {
    publicKeyInfo: (publicKeyInfo as Element).whole,
    extensions: list ? elementsOf(contentOf(list, SEQUENCE)) : [],
  };
}

/** The two fields of libp2p's extension: the identity's public key, and its signature. */
function signedKeyOf(extensions: readonly Element[]): [key: Uint8Array, signature: Uint8Array] {
  let value: Uint8Array | undefined;
  for (const extension of extensions) {
    const [name, ...rest] = elementsOf(contentOf(extension, SEQUENCE));
    const isCritical = rest[0]?.tag === BOOLEAN && rest[0].content[0] !== 0;
    if (!EXTENSION_OID.equals(contentOf(name, OID))) {
      if (isCritical) throw new InvalidCertificateError('The certificate has an unknown critical extension');
      continue;
    }
    if (value) throw new InvalidCertificateError("The certificate has libp2p's extension twice");
    value = contentOf(rest.at(-1), OCTET_STRING);
  }
  if (!value) throw new InvalidCertificateError("The certificate lacks libp2p's public key extension");
  const [signedKey] = elementsOf(value);
  const [key, signature] = elementsOf(contentOf(signedKey, SEQUENCE));
  return [contentOf(key, OCTET_STRING), contentOf(signature, OCTET_STRING)];
}

/** One element of DER. */
interface Element {
  tag: number;
  content: Uint8Array;
  /** With tag and length. */
  whole: Uint8Array;
}

function contentOf(element: Element | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw new InvalidCertificateError('The certificate is not built as one');
  return element.content;
}

/** The elements that follow each other in `bytes`: definite lengths of at most two bytes, which is all that fits. */
function elementsOf(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const first = bytes[at + 1] ?? Infinity;
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    if (lengthBytes > 2 || first === 0x80) {
      throw new InvalidCertificateError('The certificate has a length that is none');
    }
    let length = lengthBytes === 0 ? first : 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + 2 + i] ?? Infinity);
    const start = at + 2 + lengthBytes;
    const end = start + length;
    if (!(end <= bytes.byteLength)) throw new InvalidCertificateError('The certificate is cut short');
    elements.push({
      tag: bytes[at] as number,
      content: bytes.subarray(start, end),
      whole: bytes.subarray(at, end),
    });
    at = end;
  }
  return elements;
}
