import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { bundleBrowser } from '../../scripts/bundle-browser.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Nothing is fetched by itself, and WebRTC may use loopback. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--allow-loopback-in-peer-connection',
  // A name that is this machine, and that browsers do not trust over http as they do localhost.
  '--host-resolver-rules=MAP plain.test 127.0.0.1',
];

/** Where a Chromium is, undefined where there is none. `$CHROMIUM` names another. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM'];
  return named ?? PLACES.find((place) => existsSync(place));
}

/**
 * Skips the tests of a `describe` where there is no Chromium, and says so; in CI that is a failure.
 *
 * @returns its path
 */
export function needChromium(context: Mocha.Context): string {
  const path = findChromium();
  if (path !== undefined) return path;
  const message = 'no Chromium found: install it (apt-get install chromium), or name it in $CHROMIUM';
  if (process.env['CI']) throw new Error(`${message}; CI must have one`);
  process.stdout.write(`  skipped: ${message}\n`);
  return context.skip();
}

/** A headless Chromium, and a web server on loopback with the bundle of `src/browser.ts`. */
export class BrowserRig implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(browser: Browser, server: Server, folder: string) {
    this.#browser = browser;
    this.#server = server;
    this.#folder = folder;
  }

  static async start(executablePath: string): Promise<BrowserRig> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-browser-'));
    await bundleBrowser({ absWorkingDir: ROOT, entryPoints: { shoal: 'src/browser.ts' }, outdir: folder });
    const bundled = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, Buffer>();
    for (const entry of bundled.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, path).replaceAll(sep, '/')}`, await readFile(path));
    }
    const server = createServer((request, response) => {
      const file = files.get(request.url ?? '');
      response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
      response.end(file ?? '<!doctype html><title>test</title>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
    return new BrowserRig(browser, server, folder);
  }

  /**
   * A new page with the SDK as `shoal`.
   *
   * @param options `host` other than 127.0.0.1; `before` runs in the page before anything else
   */
  async page(options: { host?: string; before?: () => void } = {}): Promise<Page> {
    const { port } = this.#server.address() as AddressInfo;
    // Without these permissions Chromium hides loopback addresses behind mDNS names.
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    if (options.before) await page.addInitScript(options.before);
    await page.goto(`http://${options.host ?? '127.0.0.1'}:${port}/`);
    await page.evaluate('import("/shoal.js").then((shoal) => { globalThis.shoal = shoal; })');
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
