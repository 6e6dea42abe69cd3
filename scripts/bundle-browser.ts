import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';
import { leanLibp2p } from './lean-libp2p.ts';

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

/** Packages of which one version does for all: between those that npm installs only types have changed. */
const ANY_VERSION = new Set(['uint8arraylist']);

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
      const key = ANY_VERSION.has(name) ? name : `${name} ${version}`;
      if (!first.has(key)) first.set(key, folder);
      return { ...found, path: (first.get(key) as string) + found.path.slice(folder.length) };
    });
  },
};

/** The code of the worker that keeps a page's files goes into the bundle as text, so that nobody has to serve a second file. */
const workerSource: Plugin = {
  name: 'worker-source',
  setup(building) {
    building.onLoad({ filter: /[\\/]opfs-worker-source\.ts$/ }, async ({ path }) => {
      const entry = path.replace(/-source\.ts$/, '.ts');
      const { outputFiles, metafile } = await build({
        entryPoints: [entry],
        bundle: true,
        write: false,
        format: 'iife',
        platform: 'browser',
        target: 'es2022',
        minify: true,
        legalComments: 'none',
        metafile: true,
      });
      const watchFiles = Object.keys(metafile.inputs).map((file) => resolve(file));
      return {
        contents: `export const opfsWorkerSource = ${JSON.stringify(outputFiles[0]?.text.trim())};`,
        watchFiles,
      };
    });
  },
};

/** Bundles for browsers. Also used by the tests, so that they try what is shipped. */
export async function bundleBrowser(options: BuildOptions): Promise<Metafile> {
  const result = await build({
    bundle: true,
    // What is imported when used is a file of its own.
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'browser',
    // `using` is translated; the rest of what Shoal needs is of 2024 (`checkBrowser`).
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
    plugins: [...(options.plugins ?? []), siblings, workerSource, leanLibp2p, once],
    metafile: true,
  });
  return result.metafile;
}

/** Bundles `shoal-sw.js`: one file, to be copied, and a classic script, which every browser takes as a service worker. */
export function bundleMediaWorker(options: BuildOptions): Promise<Metafile> {
  return bundleBrowser({
    ...options,
    entryPoints: { 'shoal-sw': 'src/media/media-worker.ts' },
    splitting: false,
    format: 'iife',
  });
}
