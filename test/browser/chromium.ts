import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import type { Plugin } from 'esbuild';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type LaunchOptions,
  type Page,
} from 'playwright-core';
import { bundleBrowser, bundleMediaWorker } from '../../scripts/bundle-browser.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Nothing is fetched by itself, and WebRTC may use loopback. */
export const FLAGS = [
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

/** SHA-256, hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

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

/** What a page of {@link BrowserRig} is like. */
export interface PageOptions {
  /** Other than 127.0.0.1. */
  host?: string;
  /** A content security policy. */
  policy?: string;
  /** Runs in the page before anything else. */
  before?: () => void;
  /** Default: one of its own. */
  context?: BrowserContext;
}

async function load(page: Page): Promise<void> {
  await page.evaluate('import("/shoal.js").then((shoal) => { globalThis.shoal = shoal; })');
}

/** A headless Chromium, and a web server on loopback with the bundle of `src/browser.ts`. */
export class BrowserRig implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #folder: string;
  readonly #launch: LaunchOptions;
  #profiles = 0;

  private constructor(browser: Browser, server: Server, folder: string, launch: LaunchOptions) {
    this.#launch = launch;
    this.#browser = browser;
    this.#server = server;
    this.#folder = folder;
  }

  /** @param plugins change what is bundled, for comparisons */
  static async start(executablePath: string, plugins: Plugin[] = []): Promise<BrowserRig> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-browser-'));
    const entryPoints = { shoal: 'src/browser.ts' };
    await bundleBrowser({ absWorkingDir: ROOT, entryPoints, outdir: folder, plugins });
    await bundleMediaWorker({ absWorkingDir: ROOT, outdir: folder });
    const bundled = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, Buffer>();
    for (const entry of bundled.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, path).replaceAll(sep, '/')}`, await readFile(path));
    }
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      const file = files.get(pathname);
      const policy = searchParams.get('policy');
      if (policy !== null) response.setHeader('content-security-policy', policy);
      response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
      response.end(file ?? '<!doctype html><title>test</title>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const launch = { executablePath, headless: true, args: FLAGS };
    return new BrowserRig(await chromium.launch(launch), server, folder, launch);
  }

  /** What the pages of this test are served from. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A person's browser: pages in it share what their site keeps. */
  context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    // Without these permissions Chromium hides loopback addresses behind mDNS names.
    return this.#browser.newContext({ permissions: ['camera', 'microphone'], ...options });
  }

  /**
   * A browser of its own with a profile on disk, where quotas hold: in the others, which are like private windows, files
   * are kept without one. Close it.
   */
  lastingContext(): Promise<BrowserContext> {
    const profile = join(this.#folder, `profile-${++this.#profiles}`);
    return chromium.launchPersistentContext(profile, this.#launch);
  }

  /** A new page with the SDK as `shoal`. */
  async page(options: PageOptions = {}): Promise<Page> {
    const page = await (options.context ?? (await this.context())).newPage();
    if (options.before) await page.addInitScript(options.before);
    const origin = options.host === undefined ? this.origin : this.origin.replace('127.0.0.1', options.host);
    const query = options.policy === undefined ? '' : `?policy=${encodeURIComponent(options.policy)}`;
    await page.goto(`${origin}/${query}`);
    await load(page);
    return page;
  }

  /** Reloads a page, as a person would. */
  async reload(page: Page): Promise<void> {
    await page.reload();
    await load(page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
