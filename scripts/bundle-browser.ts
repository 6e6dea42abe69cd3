import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';

/** A file with a sibling named `….browser.ts` is replaced by it. */
const siblings: Plugin = {
  name: 'browser-siblings',
  setup(building) {
    building.onResolve({ filter: /^\..*\.ts$/ }, ({ path, importer }) => {
      const sibling = resolve(dirname(importer), path.replace(/\.ts$/, '.browser.ts'));
      return existsSync(sibling) ? { path: sibling } : undefined;
    });
  },
};

const PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

/** Marks what this plugin asks itself. */
const ASKED = Symbol('asked');

/** npm installs a package several times where versions differ higher up; a page loads each version once. */
const once: Plugin = {
  name: 'each-version-once',
  setup(building) {
    const first = new Map<string, string>();
    building.onResolve({ filter: /^[^.]/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === ASKED || rest.kind === 'entry-point') return undefined;
      const found = await building.resolve(path, { ...rest, pluginData: ASKED });
      const [, folder = '', name = ''] = PACKAGE.exec(found.path) ?? [];
      if (folder === '') return found;
      const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        version: string;
      };
      const key = `${name} ${version}`;
      if (!first.has(key)) first.set(key, folder);
      return { ...found, path: (first.get(key) as string) + found.path.slice(folder.length) };
    });
  },
};

/**
 * Keys of libp2p that Shoal's nodes do not have (theirs are Ed25519), each with what libp2p imports of it. Their arithmetic
 * and parsers are a tenth of the bundle; a peer with such a key cannot be read, and is told so when it is dialled.
 */
const OTHER_KEYS: Record<string, string> = {
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

const ed25519Only: Plugin = {
  name: 'ed25519-only',
  setup(building) {
    building.onLoad({ filter: /@libp2p\/crypto\/dist\/src\/keys\/\w+\/[\w.]+\.js$/ }, ({ path }) => {
      const [, file = ''] = /keys\/(.*)\.js$/.exec(path) ?? [];
      const names = OTHER_KEYS[file];
      const no = "const no = () => { throw new Error('pages know Ed25519 keys only'); };";
      return names === undefined ? undefined : { contents: `${no}\n${names}` };
    });
  },
};

/** Bundles for browsers. Also used by the tests, so that they try what is shipped. */
export async function bundleBrowser(options: BuildOptions): Promise<Metafile> {
  const result = await build({
    bundle: true,
    format: 'esm',
    platform: 'browser',
    // `using` is translated; the rest of what Shoal needs is of 2024 (`checkBrowser`).
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    plugins: [siblings, once, ed25519Only],
    logLevel: 'warning',
    ...options,
    metafile: true,
  });
  return result.metafile;
}
