import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { loadSdk, type DrivenPage } from './driven-page.ts';

/** The small browser that comes with the library; the path names the machine's kind. */
const BROWSERS = '/usr/lib/*/webkit2gtk-4.1/MiniBrowser';
const DRIVER = '/usr/bin/WebKitWebDriver';
const DISPLAY = '/usr/bin/Xvfb';

/** How often it is asked whether the driver is up: it does not tell. */
const READY_PAUSE_MS = 20;

/**
 * Skips the tests of a `describe` where there is no WebKit, and says so; in CI that is a failure.
 *
 * @returns the path of its browser
 */
export function needWebKit(context: Mocha.Context): string {
  const [browser] = globSync(BROWSERS);
  if (browser !== undefined && [DRIVER, DISPLAY].every((path) => existsSync(path))) return browser;
  const message = 'no WebKit found: install it (apt-get install webkit2gtk-driver xvfb)';
  if (process.env['CI']) throw new Error(`${message}; CI must have one`);
  process.stdout.write(`  skipped: ${message}\n`);
  return context.skip();
}

/** A WebKit on a display of its own that nobody sees, by WebDriver (https://www.w3.org/TR/webdriver2/). */
export class WebKit implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];
  readonly #profile: string;
  readonly #driver: string;
  #session = '';
  /** The tab that is there from the beginning, and stays: a new one is made from another. */
  #first = '';

  private constructor(children: readonly ChildProcess[], profile: string, driver: string) {
    this.#children = children;
    this.#profile = profile;
    this.#driver = driver;
  }

  /** @param features of WebKit that are switched on beside those that the browser has by itself */
  static async start(browser: string, features: readonly string[] = []): Promise<WebKit> {
    const profile = await mkdtemp(join(tmpdir(), 'shoal-webkit-'));
    const display = run(DISPLAY, ['-displayfd', '3', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const children = [display];
    try {
      const env = {
        ...process.env,
        DISPLAY: `:${await firstLine(display.stdio[3] as Readable)}`,
        // It asks no services of a desktop, and leaves nothing in the home of whoever runs this.
        NO_AT_BRIDGE: '1',
        GSETTINGS_BACKEND: 'memory',
        XDG_CACHE_HOME: profile,
        XDG_CONFIG_HOME: profile,
        XDG_DATA_HOME: profile,
      };
      const port = await freePort();
      children.push(run(DRIVER, [`--port=${port}`, '--host=127.0.0.1'], { stdio: 'ignore', env }));
      const webKit = new WebKit(children, profile, `http://127.0.0.1:${port}`);
      await webKit.#begin(browser, features);
      return webKit;
    } catch (error) {
      await end(children, profile);
      throw error;
    }
  }

  async #begin(binary: string, features: readonly string[]): Promise<void> {
    while (!(await fetch(`${this.#driver}/status`).catch(() => undefined)))
      await new Promise((resolve) => setTimeout(resolve, READY_PAUSE_MS));
    const on = features.map((feature) => `+${feature}`).join();
    const args = ['--automation', ...(on === '' ? [] : [`--features=${on}`])];
    const alwaysMatch = { 'webkitgtk:browserOptions': { binary, args } };
    const { sessionId } = (await this.#send('POST', '/session', { capabilities: { alwaysMatch } })) as {
      sessionId: string;
    };
    this.#session = `/session/${sessionId}`;
    // How long a test may take is mocha's to say.
    await this.send('timeouts', { script: null });
    this.#first = (await this.#send('GET', `${this.#session}/window`)) as string;
  }

  /** Sends a command of WebDriver to the session. @returns its result */
  send(command: string, parameters: object): Promise<unknown> {
    return this.#send('POST', `${this.#session}/${command}`, parameters);
  }

  async #send(method: string, path: string, parameters?: object): Promise<unknown> {
    const body = parameters && JSON.stringify(parameters);
    const response = await fetch(this.#driver + path, { method, body });
    const { value } = (await response.json()) as { value: unknown };
    if (response.ok) return value;
    const { error, message } = value as { error: string; message: string };
    throw new Error(`${error}: ${message}`);
  }

  /** A new tab at `url`, with the SDK as `shoal`. */
  async page(url: string): Promise<DrivenPage> {
    await this.send('window', { handle: this.#first });
    const { handle } = (await this.send('window/new', { type: 'tab' })) as { handle: string };
    const page = new WebKitPage(this, handle, () =>
      this.#send('DELETE', `${this.#session}/window`).then(() => undefined),
    );
    await page.load(url);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#send('DELETE', this.#session);
    await end(this.#children, this.#profile);
  }
}

class WebKitPage implements DrivenPage {
  readonly #webKit: WebKit;
  readonly #handle: string;
  readonly #closeWindow: () => Promise<void>;

  constructor(webKit: WebKit, handle: string, closeWindow: () => Promise<void>) {
    this.#webKit = webKit;
    this.#handle = handle;
    this.#closeWindow = closeWindow;
  }

  async load(url: string): Promise<void> {
    await this.#switch();
    await this.#webKit.send('url', { url });
    await loadSdk(this);
  }

  async evaluate<A, R>(run: (argument: A) => Promise<R>, argument: A): Promise<R> {
    await this.#switch();
    const script = `const [text, done] = arguments;
(async () => JSON.stringify((await (${run})(JSON.parse(text))) ?? null))().then(
  (result) => done({ result }),
  (error) => done({ error: String(error) }),
);`;
    const answer = await this.#webKit.send('execute/async', {
      script,
      args: [JSON.stringify(argument ?? null)],
    });
    const { result, error } = answer as { result?: string; error?: string };
    if (result === undefined) throw new Error(error ?? 'the page gave no result');
    return JSON.parse(result) as R;
  }

  async close(): Promise<void> {
    await this.#switch();
    await this.#closeWindow();
  }

  /** Commands go to one tab at a time. */
  async #switch(): Promise<void> {
    await this.#webKit.send('window', { handle: this.#handle });
  }
}

/** In a group of its own: what it starts ends with it. */
function run(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(program, args, { ...options, detached: true });
}

async function firstLine(stream: Readable): Promise<string> {
  let text = '';
  for await (const data of stream) {
    text += String(data);
    if (text.includes('\n')) return text.trim();
  }
  throw new Error('no display was made');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function end(children: readonly ChildProcess[], profile: string): Promise<void> {
  for (const child of children.toReversed()) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await gone;
  }
  await rm(profile, { recursive: true, force: true, maxRetries: 20 });
}
