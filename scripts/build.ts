/**
 * Builds `dist`: the Node bundle (SDK and CLI with shared chunks, so that commands load only what they use), the
 * public type declarations, and the licences of what was bundled.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { bundleBrowser, bundleMediaWorker } from './bundle-browser.ts';
import { partsNotFound } from './lean-libp2p.ts';
import { leanNoise } from './lean-noise.ts';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');

/** What a page loads to fetch from a link of a node may not grow beyond this (150 KB are aimed at, issue 5); libp2p and its Noise are most of it. */
const MAX_BROWSER_GZIP_BYTES = 150_000;

/**
 * Bundled CommonJS dependencies call `require` for Node's own modules; ESM has none. In an application that is bundled into one
 * file of CommonJS, `import.meta` is empty, and `__filename` is there.
 */
const REQUIRE_BANNER =
  "import { createRequire as __shoalRequire } from 'node:module'; const require = __shoalRequire(import.meta.url ?? __filename);";

async function buildNode(): Promise<Metafile> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: {
      index: 'src/index.ts',
      cli: 'src/cli/main.ts',
      simulator: 'src/simulator/index.ts',
      // A thread's own: see src/store/file-workers.ts, which finds it by this name.
      'file-worker': 'src/store/file-worker.ts',
    },
    outdir: 'dist/node',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.12',
    // Native code cannot be bundled: it is what the package depends on.
    external: ['classic-level', 'node-datachannel', 'node-datachannel/polyfill'],
    plugins: [leanNoise],
    banner: { js: REQUIRE_BANNER },
    chunkNames: 'chunks/[name]-[hash]',
    minifySyntax: true,
    // V8 keeps the text of what it runs: 2.5 MB without comments, where it was 7. Lines stay short for who reads a crash.
    minifyWhitespace: true,
    lineLimit: 160,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  chmodSync(join(dist, 'node', 'cli.js'), 0o755);
  return result.metafile;
}

/**
 * The browser entry, which names no Node module: esbuild fails where it comes to. Prints what a page has to load.
 */
async function buildBrowser(): Promise<Metafile> {
  const metafile = await bundleBrowser({
    absWorkingDir: root,
    entryPoints: { 'shoal.min': 'src/browser.ts' },
    outdir: 'dist/browser',
  });
  await bundleMediaWorker({ absWorkingDir: root, outdir: 'dist/browser' });
  const notFound = partsNotFound(metafile);
  if (notFound.length > 0)
    throw new Error(`scripts/lean-libp2p.ts replaces what is not in the bundle: ${notFound.join(', ')}`);
  const first = loadedFirst(metafile, 'dist/browser/shoal.min.js');
  const sizeOf = (file: string): number => gzipSync(readFileSync(join(root, file)), { level: 9 }).byteLength;
  const bytes = [...first].reduce((sum, file) => sum + sizeOf(file), 0);
  process.stdout.write(
    `dist/browser/shoal.min.js and what it imports: ${(bytes / 1000).toFixed(1)} KB gzip\n`,
  );
  for (const file of Object.keys(metafile.outputs).filter((each) => !first.has(each)))
    process.stdout.write(`  later ${file}: ${(sizeOf(file) / 1000).toFixed(1)} KB gzip\n`);
  if (bytes > MAX_BROWSER_GZIP_BYTES)
    throw new Error(
      `what a page loads first is over ${MAX_BROWSER_GZIP_BYTES / 1000} KB gzip: import() what it can do without`,
    );
  return metafile;
}

/** What the page needs as soon as the SDK runs, whatever is done with it. */
const NEEDED_NEXT = ['src/browser-store/open-kept-store.ts', 'src/media/media-server.ts'];

/**
 * The page of `shoal web` (`examples/web`), made of the package as its users have it: it loads the SDK from beside itself. With
 * the files of `dist/browser` in the same folder any web server can serve it. Its head names all modules that it begins with: they
 * come together, where each would be asked for when another one that imports it is there.
 */
async function buildPage(browser: Metafile): Promise<Metafile> {
  const source = join(root, 'examples', 'web');
  const target = join(dist, 'page');
  const metafile = await bundleBrowser({
    absWorkingDir: root,
    entryPoints: { page: 'examples/web/page.ts' },
    outdir: 'dist/page',
    splitting: false,
    plugins: [
      {
        name: 'sdk-beside-page',
        setup(building) {
          building.onResolve({ filter: /^shoal\/browser$/ }, () => ({
            path: './shoal.min.js',
            external: true,
          }));
        },
      },
    ],
  });
  for (const file of ['page.css', 'not-started.js']) copyFileSync(join(source, file), join(target, file));
  const html = readFileSync(join(source, 'index.html'), 'utf8');
  const headed = html.replace(
    /^ *(?=<script src="not-started)/m,
    (space) => preloads(browser, space) + space,
  );
  if (headed === html) throw new Error('examples/web/index.html has no not-started.js to put modules before');
  writeFileSync(join(target, 'index.html'), headed);
  return metafile;
}

/** A line for each module of the SDK that the page begins with, after so much space. */
function preloads(browser: Metafile, space: string): string {
  const outputs = Object.entries(browser.outputs);
  const next = NEEDED_NEXT.map((path) => outputs.find(([, { entryPoint }]) => entryPoint === path)?.[0]);
  const modules = new Set<string>();
  for (const file of ['dist/browser/shoal.min.js', ...next]) {
    if (file === undefined) throw new Error(`the bundle has not all of ${NEEDED_NEXT.join(', ')}`);
    loadedFirst(browser, file, modules);
  }
  return [...modules]
    .map((file) => `${space}<link rel="modulepreload" href="${file.slice('dist/browser/'.length)}" />\n`)
    .join('');
}

/** An entry of the bundle and what it imports: what a page loads before anything runs. */
function loadedFirst(metafile: Metafile, entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const imports = metafile.outputs[entry]?.imports ?? [];
  for (const { kind, path } of imports) if (kind === 'import-statement') loadedFirst(metafile, path, seen);
  return seen;
}

/** Emits declarations, and keeps only those that the public entries reach: the rest is nobody's business. */
function buildTypes(): void {
  const out = mkdtempSync(join(tmpdir(), 'shoal-types-'));
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = [
      '--noEmit',
      'false',
      '--declaration',
      '--emitDeclarationOnly',
      '--rootDir',
      'src',
      '--outDir',
      out,
    ];
    execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...options], {
      cwd: root,
      stdio: 'inherit',
    });
    const pending = ['index.d.ts', 'browser.d.ts', 'simulator/index.d.ts'];
    const seen = new Set(pending);
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      const text = readFileSync(join(out, file), 'utf8')
        // What is imported for its effect has no types.
        .replaceAll(/^import ['"]\.[^'"]*['"];\n/gm, '')
        .replaceAll(/(from ['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2');
      for (const [, specifier = ''] of text.matchAll(/^(?:import|export)\b[^'"]*from ['"]([^'"]+)['"]/gm)) {
        if (!specifier.startsWith('.')) throw new Error(`public types in ${file} name ${specifier}`);
        const next = relative(out, resolve(out, dirname(file), specifier.replace(/\.js$/, '.d.ts')));
        if (!seen.has(next)) pending.push(next);
        seen.add(next);
      }
      const target = join(dist, 'types', file);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** Writes the licence texts of every package whose code is in the bundle. @param folder of `dist` */
function writeLicences(metafile: Metafile, folder: string): void {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /^((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match?.[1]) folders.add(match[1]);
  }
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    ) as {
      name: string;
      version: string;
      license?: string;
    };
    const texts = readdirSync(join(root, folder))
      .filter((file) => /^(licen[cs]e|notice)/i.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
    return [`${name} ${version} (${license ?? 'see text'})`, ...texts].join('\n\n');
  });
  const intro = 'The files in this folder contain code of these packages.';
  writeFileSync(
    join(dist, folder, 'THIRD-PARTY-LICENSES.txt'),
    `${[intro, ...parts].join(`\n\n${'-'.repeat(78)}\n\n`)}\n`,
  );
}

rmSync(dist, { recursive: true, force: true });
writeLicences(await buildNode(), 'node');
const browser = await buildBrowser();
writeLicences(browser, 'browser');
writeLicences(await buildPage(browser), 'page');
buildTypes();
