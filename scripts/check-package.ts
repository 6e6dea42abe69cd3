/**
 * Packs the package, installs the tarball into an empty folder as a user would, and checks what the user gets:
 * size, number of packages, no install script needed, types that compile on their own, an SDK that imports, also bundled into an
 * application, a CLI that starts.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

/** From issue 2: what an install may bring, and what `--version` may cost. */
const MAX_PACKAGES = 200;
const MAX_INSTALL_BYTES = 120 * 1_000_000;

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'shoal-package-'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function check(what: string, holds: boolean): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`);
  if (!holds) process.exitCode = 1;
}

function installedPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(folder, 'user', 'package-lock.json'), 'utf8')) as {
    packages: Record<string, unknown>;
  };
  return Object.keys(lock.packages).filter((name) => name !== '');
}

function sizeOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** The files that a bundled one imports, at once or when it is used. */
function importsOf(path: string): string[] {
  const found = readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g);
  return [...found].map(([, specifier = '']) => join(dirname(path), specifier));
}

/** CPU time of `shoal --version`, the least of five runs, in ms. */
function versionCpuMs(user: string): number {
  const command = 'TIMEFORMAT="%U %S"; time node_modules/.bin/shoal --version';
  const runs = Array.from({ length: 5 }, () => {
    const { stderr } = spawnSync('bash', ['-c', command], { cwd: user, encoding: 'utf8' });
    const [inUser = 0, inSystem = 0] = stderr.trim().split(/\s+/).slice(-2).map(Number);
    return (inUser + inSystem) * 1000;
  });
  return Math.min(...runs);
}

try {
  const [{ filename }] = JSON.parse(
    run(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  ) as [{ filename: string }];
  const user = join(folder, 'user');
  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), '{ "private": true, "type": "module" }\n');
  run(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, filename)], user);

  const packages = installedPackages();
  check(`${packages.length} packages installed, at most ${MAX_PACKAGES}`, packages.length <= MAX_PACKAGES);
  const bytes = sizeOf(join(user, 'node_modules'));
  check(
    `${(bytes / 1e6).toFixed(1)} MB installed, at most ${MAX_INSTALL_BYTES / 1e6}`,
    bytes <= MAX_INSTALL_BYTES,
  );
  const worker = run(
    process.execPath,
    ['--input-type=module', '-e', "console.log(import.meta.resolve('shoal/shoal-sw.js'))"],
    user,
  );
  const isWhole = !/\b(import|export)\b/.test(readFileSync(new URL(worker.trim()), 'utf8'));
  check('the service worker is one file that imports nothing', isWhole);
  const page = readdirSync(join(user, 'node_modules', 'shoal', 'dist', 'page'));
  check('the page of shoal web is there', page.includes('index.html') && page.includes('page.js'));
  check('react-native stays out', !packages.some((name) => name.includes('react-native')));

  writeFileSync(
    join(user, 'use.ts'),
    "import { createShoal, ShoalError, type Asset, type Shoal } from 'shoal';\n" +
      "import { parseScenario, reportOf, simulate, type Report } from 'shoal/simulator';\n" +
      "export const run = async (): Promise<Report> => reportOf(await simulate(parseScenario('', 'a.yaml'), { seed: 1 }));\n" +
      'export async function use(): Promise<Asset> {\n' +
      "  await using shoal: Shoal = await createShoal({ dataDir: './data', mdns: false });\n" +
      "  if (shoal.id === '') throw new ShoalError('ERR_NEVER', 'never');\n" +
      "  return shoal.open('bafkqaaa');\n}\n",
  );
  writeFileSync(
    join(user, 'use-page.ts'),
    "import { createShoal, serveMedia, type PageAsset, type PageMedia } from 'shoal/browser';\n" +
      'export const open = async (link: string): Promise<PageAsset> => (await createShoal()).open(link);\n' +
      'export const media = async (): Promise<PageMedia> => serveMedia(await createShoal());\n',
  );
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const strict = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    'false',
    '--target',
    'es2024',
    '--module',
    'nodenext',
  ];
  const libs = ['--lib', 'es2024,esnext.disposable,dom,dom.iterable', '--types', '', 'use.ts', 'use-page.ts'];
  const compiled = spawnSync(process.execPath, [compiler, ...strict, ...libs], {
    cwd: user,
    encoding: 'utf8',
  });
  check(`types compile without any other package ${compiled.stdout}`.trim(), compiled.status === 0);

  const browser = join(user, 'node_modules', 'shoal', 'dist', 'browser');
  const lost = readdirSync(browser, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => importsOf(join(browser, file)))
    .filter((file) => !existsSync(file));
  check(`the files for pages have all that they import ${lost.join(' ')}`.trim(), lost.length === 0);

  const imported = run(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      "import { createShoal } from 'shoal'; await using s = await createShoal({ dataDir: './data', mdns: false, web: true, listen: ['/ip4/127.0.0.1/tcp/0'] }); console.log(s.addresses.join(' '))",
    ],
    user,
  );
  check('the SDK starts a node, though no install script ran', imported.includes('/tcp/'));
  // Without its file the work is done in the caller's thread, which nobody would notice but for the time it takes.
  const threads = run(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      "import { mkdirSync, writeFileSync } from 'node:fs'; import { createShoal } from 'shoal'; mkdirSync('many'); for (let i = 0; i < 100; i++) writeFileSync(`many/${i}`, `${i}`); process.on('worker', (worker) => worker.once('online', () => console.log('online'))); await using s = await createShoal({ dataDir: './data', mdns: false, dht: false, listen: [] }); await s.share('many')",
    ],
    user,
  );
  check('threads for many small files start', threads.includes('online'));
  check('pages reach it over WebRTC', imported.includes('/webrtc-direct/certhash/'));
  // As applications for Electron or in one executable are: the threads' file is not there, and `import.meta` is empty.
  const app =
    "import { createShoal } from 'shoal'; void (async () => { const s = await createShoal({ dataDir: './bundled', mdns: false, listen: [] }); console.log((await s.share('many')).cid); await s.close(); })();";
  writeFileSync(join(user, 'app.js'), app);
  const isBundled = (['esm', 'cjs'] as const).every((format) => {
    const outfile = join(user, `app.${format === 'esm' ? 'mjs' : 'cjs'}`);
    const external = ['classic-level', 'node-datachannel', 'node-datachannel/polyfill'];
    const entryPoints = [join(user, 'app.js')];
    buildSync({ entryPoints, outfile, format, external, bundle: true, platform: 'node', logLevel: 'error' });
    const { stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: user, encoding: 'utf8' });
    process.stderr.write(stderr);
    return stdout.startsWith('baf');
  });
  check('it runs bundled into one file, of ESM and of CommonJS', isBundled);
  const crowd = `file: 1 MiB
groups:
  - { name: origin, role: origin, up: 100 Mbit/s }
  - { name: peers, count: 3, up: 20 Mbit/s }`;
  const simulated = run(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { parseScenario, reportOf, simulate } from 'shoal/simulator'; const { contributors } = reportOf(await simulate(parseScenario(${JSON.stringify(crowd)}, 'crowd.yaml'), { seed: 1 })); console.log(contributors.finished)`,
    ],
    user,
  );
  check('the simulator runs', Number(simulated) === 3);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const shoal = join(user, 'node_modules', '.bin', 'shoal');
  check('the CLI tells its version', run(shoal, ['--version'], user).trim() === version);
  if (process.platform !== 'win32') {
    // Printed, not asserted: tests never depend on timing. `npm run bench` reports it too.
    process.stdout.write(
      `       shoal --version: ${versionCpuMs(user).toFixed(0)} ms of CPU (target: 150)\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
