// What makes certificates needs it, and does not load it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';
import { base64url } from 'multiformats/bases/base64';
import { sha256 } from 'multiformats/hashes/sha2';
import type { LogLevel } from '../api.ts';
import type { Store } from '../store/store.ts';

/** The DTLS certificate by whose hash pages know this node, as `@libp2p/webrtc` takes it. */
export interface PageCertificate {
  /** PEM, PKCS #8. */
  privateKey: string;
  pem: string;
  /** Multibase and multihash (sha2-256), as it stands in a multiaddr. */
  certhash: string;
}

interface StoredCertificate extends PageCertificate {
  /** Ms since 1970. */
  notAfterMs: number;
}

const KEY = 'page-certificate';

const DAY_MS = 24 * 3_600_000;

/**
 * The hash stands in every link that leads here, and a link should outlive its certificate as seldom as a port or an
 * address changes. Browsers compare the hash alone (webrtc-direct, libp2p spec); the life bounds what a stolen key is worth.
 */
const LIFE_MS = 10 * 365 * DAY_MS;

/** Renewed this long before its end: a link made today is good for so long at least. */
const RENEW_MS = 365 * DAY_MS;

/** P-256: what Chromium, Pion and webrtc-rs all take (`@libp2p/webrtc`, `WebRTCTransportDirectInit`). */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/**
 * The certificate of this data folder, made when there is none, and made anew a year before it ends, which is logged: links
 * made before lead pages here no more.
 *
 * @param nowMs ms since 1970
 */
export async function pageCertificate(
  store: Store,
  log: (level: LogLevel, message: string) => void,
  nowMs: number = Date.now(),
): Promise<PageCertificate> {
  const known = await read(store);
  if (known && known.notAfterMs - RENEW_MS > nowMs) return known;
  const made = await makeCertificate(nowMs);
  await store.putSetting(KEY, new TextEncoder().encode(JSON.stringify(made)));
  if (known)
    log(
      'warn',
      'the certificate for pages was renewed: links made before lead no page here, so make new ones',
    );
  return made;
}

async function makeCertificate(nowMs: number): Promise<StoredCertificate> {
  // X.509 counts seconds.
  const startMs = Math.floor(nowMs / 1000) * 1000;
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      // Positive and not zero, as RFC 5280 (4.1.2.2) wants: the first byte is below 0x80.
      serialNumber: `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')}`,
      name: 'CN=shoal',
      notBefore: new Date(startMs),
      notAfter: new Date(startMs + LIFE_MS),
      signingAlgorithm: ALGORITHM,
      keys: keys as CryptoKeyPair,
      extensions: [new BasicConstraintsExtension(false, undefined, true)],
    },
    webcrypto as Crypto,
  );
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const digest = await sha256.digest(new Uint8Array(certificate.rawData));
  return {
    privateKey: ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n'),
    pem: certificate.toString('pem'),
    certhash: base64url.encode(digest.bytes),
    notAfterMs: startMs + LIFE_MS,
  };
}

async function read(store: Store): Promise<StoredCertificate | undefined> {
  const bytes = await store.getSetting(KEY);
  if (!bytes) return undefined;
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<StoredCertificate>;
    const { privateKey, pem, certhash, notAfterMs } = value;
    const texts = [privateKey, pem, certhash];
    if (texts.some((text) => typeof text !== 'string') || typeof notAfterMs !== 'number') return undefined;
    return value as StoredCertificate;
  } catch {
    return undefined;
  }
}
