import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { loadSdk, type DrivenPage } from './driven-page.ts';

const PLACES = ['/usr/bin/firefox-esr', '/usr/bin/firefox'];

/** Nothing is fetched by itself. What concerns pages is as everybody has it. */
const PREFERENCES = {
  'app.update.enabled': false,
  'app.normandy.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'browser.safebrowsing.update.enabled': false,
};

/**
 * Skips the tests of a `describe` where there is no Firefox, and says so; in CI that is a failure.
 *
 * @returns its path; `$FIREFOX` names another
 */
export function needFirefox(context: Mocha.Context): string {
  const path = process.env['FIREFOX'] ?? PLACES.find((place) => existsSync(place));
  if (path !== undefined) return path;
  const message = 'no Firefox found: install it (apt-get install firefox-esr), or name it in $FIREFOX';
  if (process.env['CI']) throw new Error(`${message}; CI must have one`);
  process.stdout.write(`  skipped: ${message}\n`);
  return context.skip();
}

interface Answer {
  id?: number;
  error?: string;
  message?: string;
  result?: unknown;
}

/**
 * A headless Firefox with a profile of its own, by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): Playwright
 * drives only a Firefox that it patched itself.
 */
export class Firefox implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #commands = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#handle(JSON.parse(String(data)) as Answer));
    socket.addEventListener('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox has ended'));
      this.#waiting.clear();
    });
  }

  static async start(path: string): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), 'shoal-firefox-'));
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, 'user.js'), lines.join(''));
    const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0'];
    const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      const socket = new WebSocket(`${await addressOf(child)}/session`);
      await once(socket, 'open');
      const firefox = new Firefox(child, profile, socket);
      await firefox.send('session.new', { capabilities: {} });
      return firefox;
    } catch (error) {
      await end(child, profile);
      throw error;
    }
  }

  /** Sends a command of WebDriver BiDi. @returns its result */
  send(method: string, params: object): Promise<unknown> {
    const id = ++this.#commands;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return answer.promise;
  }

  #handle({ id, error, message, result }: Answer): void {
    const answer = this.#waiting.get(id ?? -1);
    this.#waiting.delete(id ?? -1);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(`${error}: ${message}`));
  }

  /** A new tab at `url`, with the SDK as `shoal`. */
  async page(url: string): Promise<DrivenPage> {
    const page = await this.tab('about:blank');
    await page.load(url);
    return page;
  }

  /** A new tab at `url`, whose page is as it is. */
  async tab(url: string): Promise<DrivenPage> {
    const { context } = (await this.send('browsingContext.create', { type: 'tab' })) as { context: string };
    await this.send('browsingContext.navigate', { context, url, wait: 'complete' });
    return new FirefoxPage(this, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await end(this.#process, this.#profile);
  }
}

class FirefoxPage implements DrivenPage {
  readonly #firefox: Firefox;
  readonly #context: string;

  constructor(firefox: Firefox, context: string) {
    this.#firefox = firefox;
    this.#context = context;
  }

  async load(url: string): Promise<void> {
    await this.#firefox.send('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
    await loadSdk(this);
  }

  async evaluate<A, R>(run: (argument: A) => Promise<R>, argument: A): Promise<R> {
    const functionDeclaration = `async (text) => JSON.stringify(await (${run})(JSON.parse(text)) ?? null)`;
    const answer = (await this.#firefox.send('script.callFunction', {
      functionDeclaration,
      arguments: [{ type: 'string', value: JSON.stringify(argument ?? null) }],
      awaitPromise: true,
      target: { context: this.#context },
    })) as { result?: { value: string }; exceptionDetails?: { text: string } };
    if (!answer.result) throw new Error(answer.exceptionDetails?.text ?? 'the page gave no result');
    return JSON.parse(answer.result.value) as R;
  }

  async close(): Promise<void> {
    await this.#firefox.send('browsingContext.close', { context: this.#context });
  }
}

/** Where it listens, from what it prints. */
async function addressOf(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  if (!child.stderr) throw new Error('Firefox has no standard error');
  for await (const line of createInterface(child.stderr)) {
    const [, address] = /WebDriver BiDi listening on (\S+)/.exec(line) ?? [];
    if (address !== undefined) {
      child.stderr.resume();
      return address;
    }
    said.push(line);
  }
  throw new Error(`Firefox did not start: ${said.join('\n')}`);
}

async function end(child: ChildProcess, profile: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  // Its children notice a moment later, and may still write.
  await rm(profile, { recursive: true, force: true, maxRetries: 20 });
}
