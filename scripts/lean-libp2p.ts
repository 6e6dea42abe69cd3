import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Metafile, Plugin } from 'esbuild';

/** A file of Shoal's, as text that stands for it in an import. */
const ours = (file: string): string =>
  JSON.stringify(resolve(import.meta.dirname, '../src/browser-node', file));

/**
 * Parts of libp2p that no page uses, each with what others import of it; together a tenth of what a page loads. By the
 * path below `node_modules`.
 */
const PARTS: Record<string, string> = {
  // Content and peer routing, and walks, are a DHT's, which pages have none of.
  'libp2p/dist/src/content-routing.js': 'export class CompoundContentRouting {}',
  'libp2p/dist/src/peer-routing.js':
    "export class DefaultPeerRouting { async findPeer() { const error = new Error('pages route no peers'); error.name = 'NoPeerRoutersError'; throw error; } }",
  'libp2p/dist/src/random-walk.js': 'export class RandomWalk { async *walk() {} }',
  // It is switched off (page-libp2p.ts).
  'libp2p/dist/src/connection-monitor.js': 'export class ConnectionMonitor {}',
  // Whom to dial again is discovery's and the exchange's matter.
  'libp2p/dist/src/connection-manager/reconnect-queue.js': 'export class ReconnectQueue {}',
  // /dnsaddr is resolved over public servers, which nobody named. Names in /dns4 are the browser's to resolve.
  'libp2p/dist/src/connection-manager/resolvers/dnsaddr.js':
    'export const dnsaddrResolver = { canResolve: () => false };',
  // Pages listen on no address that a router could map.
  'libp2p/dist/src/address-manager/ip-mappings.js':
    'export class IPMappings { has() { return false; } getAll() { return []; } }',
  'libp2p/dist/src/address-manager/dns-mappings.js':
    'export class DNSMappings { has() { return false; } getAll() { return []; } remove() { return false; } }',
  // And none is its own as others see it, but where AutoNAT says so.
  'libp2p/dist/src/address-manager/observed-addresses.js':
    'export class ObservedAddresses { has() { return false; } add() {} getAll() { return []; } remove() { return false; } confirm() { return false; } removePrefixed() {} }',
  // Connections that come in, of each host in a second.
  '@libp2p/utils/dist/src/rate-limiter.js':
    "export class RateLimiter { #points; #counts = new Map(); #startMs = 0; constructor({ points }) { this.#points = points; } consume(key, points) { const nowMs = Date.now(); if (Math.abs(nowMs - this.#startMs) >= 1000) { this.#counts.clear(); this.#startMs = nowMs; } const count = (this.#counts.get(key) ?? 0) + points; this.#counts.set(key, count); if (count > this.#points) throw new Error('too many in a second'); } }",
  // Ranges of addresses to allow or deny: none are given.
  '@chainsafe/netmask/dist/src/index.js':
    "const no = () => { throw new Error('pages know no ranges of addresses'); }; export const cidrContains = () => false; export class IpNet { constructor() { no(); } }",
  // Only for the order in which addresses are dialled.
  '@libp2p/utils/dist/src/private-ip.js':
    'const PRIVATE = /^(0|10|127|169\\.254|172\\.(1[6-9]|2\\d|3[01])|192\\.168|100\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7]))\\.|^(::1?$|f[cd]|fe[89ab])/i; export const isPrivateIp = (ip) => PRIVATE.test(ip);',
  // What an application logs is `log` of createShoal.
  '@libp2p/logger/dist/src/index.js':
    'const logger = () => Object.assign(() => {}, { enabled: false, error() {}, trace() {}, newScope: logger }); const all = () => ({ forComponent: logger }); export { logger, all as defaultLogger, all as peerLogger, all as prefixLogger };',
  // Few peers, each once: a set does what cuckoo filters do.
  '@libp2p/utils/dist/src/filters/index.js':
    'const MAX = 4096; class Seen { #seen = new Set(); has(key) { return this.#seen.has(String(key)); } add(key) { if (this.#seen.size >= MAX) this.#seen.clear(); this.#seen.add(String(key)); return true; } remove(key) { return this.#seen.delete(String(key)); } } const make = () => new Seen(); export { make as createScalableCuckooFilter, make as createCuckooFilter, make as createBloomFilter, Seen as ScalableCuckooFilter, Seen as CuckooFilter, Seen as BloomFilter };',
  // The peer store below keeps nothing in a datastore.
  'datastore-core/dist/src/memory.js': 'export class MemoryDatastore {}',
  // Only WebRTC's handshake is read by it, and by promises alone.
  'it-length-prefixed/dist/src/decode.js': `import { decode as varint, encodingLength } from 'uint8-varint';
import { Uint8ArrayList } from 'uint8arraylist';
export async function* decode(source) {
  const all = new Uint8ArrayList();
  for await (const part of source) {
    all.append(part);
    while (all.byteLength > 0) {
      let length;
      try { length = varint(all); } catch (error) { if (all.byteLength > 8) throw error; break; }
      if (length > 65536) throw new Error('a message is too long');
      const start = encodingLength(length);
      if (all.byteLength < start + length) break;
      const message = all.sublist(start, start + length);
      all.consume(start + length);
      yield message;
    }
  }
}`,
  // What is piped here are generators, one after another: no pairs of streams.
  'it-pipe/dist/src/index.js':
    'export const pipe = (first, ...stages) => stages.reduce((from, stage) => stage(from), first);',
  // No message here has a fraction in it.
  'protons-runtime/dist/src/utils/float.js':
    'const no = () => { throw new RangeError(); }; export { no as readDoubleLE, no as readFloatLE, no as writeDoubleLE, no as writeFloatLE };',
  // Noise and Ed25519 by the browser itself, which has both: two and three times as much script as all else that they need.
  '@libp2p/noise/dist/src/crypto/js.js': 'export const pureJsCrypto = { generateX25519KeyPair() {} };',
  '@libp2p/noise/dist/src/crypto.js': 'export const wrapCrypto = () => undefined;',
  '@libp2p/noise/dist/src/metrics.js': 'export const registerMetrics = () => undefined;',
  '@libp2p/noise/dist/src/performHandshake.js': `import { handshake } from ${ours('noise-handshake.ts')};
import { createHandshakePayload, decodeHandshakePayload } from './utils.js';
const perform = (initiator) => ({ connection, prologue, privateKey, extensions, remoteIdentityKey }, options) => handshake({
  initiator, connection, prologue, options,
  createPayload: (key) => createHandshakePayload(privateKey, key, extensions),
  checkPayload: (payload, key) => decodeHandshakePayload(payload, key, remoteIdentityKey),
});
export const performHandshakeInitiator = perform(true), performHandshakeResponder = perform(false);`,
  '@libp2p/crypto/dist/src/keys/ed25519/index.browser.js': `import { ed25519 } from ${ours('curves.ts')};
export const publicKeyLength = 32, privateKeyLength = 64;
export const generateKey = async () => { const privateKey = await ed25519.generate(); return { privateKey, publicKey: privateKey.subarray(32) }; };
export const generateKeyFromSeed = () => { throw new Error('pages make no keys of seeds'); };
export const hashAndSign = (key, message) => ed25519.sign(key, message.subarray());
export const hashAndVerify = (key, signature, message) => ed25519.verify(key, signature, message.subarray());`,
  // Pages meet each other by this.
  '@libp2p/webrtc/dist/src/webrtc/index.browser.js': `export { MeetingPeerConnection as RTCPeerConnection } from ${ours('meeting-peer-connection.ts')};
export const { RTCSessionDescription, RTCIceCandidate } = globalThis;`,
  // No name here is written in emoji.
  'multiformats/dist/src/bases/base256emoji.js': 'export {};',
};

/** Keys of libp2p that Shoal's nodes do not have (theirs are Ed25519): a peer with such a key is told so when it is dialled. */
const KEYS: Record<string, string> = {
  'secp256k1/index.browser': 'export const privateKeyLength = 32, publicKeyLength = 33;',
  'secp256k1/utils':
    'export const generateSecp256k1KeyPair = no, unmarshalSecp256k1PrivateKey = no, unmarshalSecp256k1PublicKey = no;',
  'ecdsa/ecdsa': 'export class ECDSAPrivateKey {}',
  'ecdsa/index': "export const ECDSA_P_256_OID = 'none', ECDSA_P_384_OID = 'none', ECDSA_P_521_OID = 'none';",
  'ecdsa/utils':
    'export const generateECDSAKeyPair = no, pkiMessageToECDSAPrivateKey = no, pkiMessageToECDSAPublicKey = no, unmarshalECDSAPrivateKey = no, unmarshalECDSAPublicKey = no;',
  'rsa/der': 'export const decodeDer = no;',
  'rsa/index.browser': "export const RSAES_PKCS1_V1_5_OID = 'none';",
  'rsa/utils':
    'export const pkcs1ToRSAPrivateKey = no, pkixToRSAPublicKey = no, generateRSAKeyPair = no, pkcs1MessageToRSAPrivateKey = no, pkixMessageToRSAPublicKey = no, jwkToRSAPrivateKey = no;',
};

const NO_KEY = "const no = () => { throw new Error('pages know Ed25519 keys only'); };";

const REPLACED = new Map(Object.entries(PARTS));
for (const [file, names] of Object.entries(KEYS))
  REPLACED.set(`@libp2p/crypto/dist/src/keys/${file}.js`, `${NO_KEY}\n${names}`);

/** What a page loads at first of packages that have more: pages find each other by a chunk of their own. */
const AT_FIRST: Record<string, string> = {
  '@libp2p/webrtc': `import { WebRTCDirectTransport } from './private-to-public/transport.js';
export const webRTCDirect = (init) => (components) => new WebRTCDirectTransport(components, init);`,
  '@libp2p/identify': `import { Identify } from './identify.js';
export const identify = (init = {}) => (components) => new Identify(components, init);`,
};

/** Tells that file from the whole one; the package follows. */
const FIRST = '?first=';

/** Dials nodes by this. */
const DIALLED_BY = `import { DirectPeerConnection as RTCPeerConnection } from ${ours('direct-peer-connection.ts')};\n`;
const DIALS_NODES =
  /@libp2p\/webrtc\/dist\/src\/private-to-public\/utils\/get-rtcpeerconnection\.browser\.js$/;

/** Keys come from the browser, which takes its time: one word in the file that makes them. */
const MAKES_KEYS = /@libp2p\/crypto\/dist\/src\/keys\/ed25519\/utils\.js$/;
const MAKES_KEY = ' = crypto.generateKey();';

function awaitKeys(path: string): string {
  const text = readFileSync(path, 'utf8');
  if (text.split(MAKES_KEY).length !== 2) throw new Error(`${path} makes its keys in another way now`);
  return text.replace(MAKES_KEY, MAKES_KEY.replace('crypto', 'await crypto'));
}

/** Stands in for `@libp2p/peer-store`. */
const PEER_STORE = resolve(import.meta.dirname, '../src/browser-node/memory-peer-store.ts');

/** The files whose imports of them are that. */
const LOADED_FIRST = /[\\/](page-libp2p|patient-identify)\.ts$/;

/** What is replaced above and is no part of a whole bundle any more: libp2p has it elsewhere, and pages load it unnoticed. */
export function partsNotFound({ inputs }: Metafile): string[] {
  const files = Object.keys(inputs);
  const first = Object.keys(AT_FIRST).map((name) => FIRST + name);
  return [...REPLACED.keys(), ...first].filter((part) => !files.some((file) => file.endsWith(part)));
}

/** Leaves out of libp2p what no page uses. */
export const leanLibp2p: Plugin = {
  name: 'lean-libp2p',
  setup(building) {
    building.onResolve({ filter: /^@libp2p\/(webrtc|identify)$/ }, async ({ path, importer, ...rest }) => {
      if (!LOADED_FIRST.test(importer)) return undefined;
      // Asked as another importer, so that it is answered.
      const found = await building.resolve(path, { ...rest, importer: '' });
      return { path: found.path, suffix: FIRST + path };
    });
    building.onResolve({ filter: /^@libp2p\/peer-store$/ }, () => ({ path: PEER_STORE }));
    building.onLoad({ filter: /[\\/]node_modules[\\/].*\.js$/ }, ({ path, suffix }) => {
      const first = suffix.startsWith(FIRST) ? AT_FIRST[suffix.slice(FIRST.length)] : undefined;
      if (first !== undefined) return { contents: first };
      const file = path.replaceAll('\\', '/').replace(/^.*\/node_modules\//, '');
      if (DIALS_NODES.test(file)) return { contents: DIALLED_BY + readFileSync(path, 'utf8') };
      if (MAKES_KEYS.test(file)) return { contents: awaitKeys(path) };
      const contents = REPLACED.get(file);
      return contents === undefined ? undefined : { contents };
    });
  },
};
