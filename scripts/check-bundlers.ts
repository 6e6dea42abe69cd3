/**
 * Packs the package, installs it into a copy of each of examples/bundlers as a user would, builds it, and has each fetch a
 * file from a node in Chromium, where there is one.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { createShoal } from 'shoal';
import { findChromium } from '../test/browser/chromium.ts';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'shoal-bundlers-'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

const IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="16"/>';

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function check(what: string, holds: boolean): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`);
  if (!holds) process.exitCode = 1;
}

/** Installs and builds a copy of an example. @returns the folder of what was built */
function build(name: string, tarball: string): string {
  const target = join(folder, name);
  mkdirSync(target);
  for (const file of readdirSync(join(root, 'examples', 'bundlers', name)))
    if (!['node_modules', 'dist', 'public'].includes(file))
      cpSync(join(root, 'examples', 'bundlers', name, file), join(target, file));
  const path = join(target, 'package.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('file:../../..', `file:${tarball}`));
  run(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund'], target);
  run(npm, ['run', 'build'], target);
  return join(target, 'dist');
}

function filesOf(built: string): string[] {
  return readdirSync(built, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Opens the built page with a link in Chromium. @returns what it says at the end, and the width of the image */
async function fetchIn(executablePath: string, built: string, link: string, network: string) {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = join(built, pathname === '/' ? 'index.html' : pathname);
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.setHeader('content-type', types[extname(file)] ?? 'text/plain').end(readFileSync(file));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage();
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/?network=${network}#${encodeURIComponent(link)}`);
    await page.waitForFunction(
      () => document.querySelector('output')?.textContent && document.querySelector('img')?.complete,
    );
    return await page.evaluate(() => ({
      text: document.querySelector('output')?.textContent,
      width: document.querySelector('img')?.naturalWidth,
    }));
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

try {
  const packed = run(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const network = `bundlers-${process.pid}`;
  await using seed = await createShoal({
    dataDir: join(folder, 'data'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    web: true,
    network,
  });
  const { link } = await seed.share(new TextEncoder().encode(IMAGE), { name: 'a.svg' });
  const executablePath = findChromium();
  for (const name of ['esbuild', 'vite']) {
    const built = build(name, join(folder, filename));
    const scripts = filesOf(built).filter((file) => file.endsWith('.js'));
    const texts = scripts.map((file) => readFileSync(file, 'utf8'));
    const bytes = texts.reduce((sum, text) => sum + gzipSync(text).byteLength, 0);
    check(`${name}: ${scripts.length} scripts, ${(bytes / 1000).toFixed(0)} KB gzip in all`, bytes > 0);
    const isFree = !texts.some((text) =>
      /from\s*["']node:|\brequire\(["']|process\.versions\.node/.test(text),
    );
    check(`${name}: nothing of Node is asked for`, isFree);
    if (executablePath === undefined) continue;
    const { text, width } = await fetchIn(executablePath, built, link, network);
    check(`${name}: a page of it fetches a file`, text === `a.svg: ${IMAGE.length} bytes`);
    check(`${name}: and shows it through the service worker`, width === 32);
  }
  if (executablePath === undefined) process.stdout.write('no Chromium found: nothing was fetched\n');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
