import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
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

/** Bundles for browsers: one ES module for each entry. Also used by the tests, so that they try what is shipped. */
export async function bundleBrowser(options: BuildOptions): Promise<Metafile> {
  const result = await build({
    bundle: true,
    format: 'esm',
    platform: 'browser',
    // `using` and private methods are translated; the rest of what Shoal needs is of 2024 (`checkBrowser`).
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    plugins: [siblings],
    logLevel: 'warning',
    ...options,
    metafile: true,
  });
  return result.metafile;
}
