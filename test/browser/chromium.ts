import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type LaunchOptions,
  type Page,
} from 'playwright-core';
import { BundleSite } from './bundle-site.ts';

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
  readonly #site: BundleSite;
  readonly #launch: LaunchOptions;
  #profiles = 0;

  private constructor(browser: Browser, site: BundleSite, launch: LaunchOptions) {
    this.#launch = launch;
    this.#browser = browser;
    this.#site = site;
  }

  /** @param plugins change what is bundled, for comparisons */
  static async start(executablePath: string, plugins: Plugin[] = []): Promise<BrowserRig> {
    const site = await BundleSite.start(plugins);
    const launch = { executablePath, headless: true, args: FLAGS };
    return new BrowserRig(await chromium.launch(launch), site, launch);
  }

  /** What the pages of this test are served from. */
  get origin(): string {
    return this.#site.origin;
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
    const profile = join(this.#site.folder, `profile-${++this.#profiles}`);
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
    await this.#site[Symbol.asyncDispose]();
  }
}
