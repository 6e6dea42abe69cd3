import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

/**
 * No test waits for anything that takes a fraction of this on a machine of its own; less than mocha's time-out, so that
 * a process that hangs is told with what it said. On a machine that is busy otherwise a process may get a tenth of it.
 */
const HUNG_MS = 90_000;

export interface ShoalEvent {
  event: string;
  [field: string]: unknown;
}

/** One real `shoal` process. With `--json` its lines are events, from wherever they are printed. */
export class ShoalProcess {
  readonly events: ShoalEvent[] = [];
  stdout = Buffer.alloc(0);
  stderr = '';
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #hung = false;
  /** Ended, and all that it printed has been read. */
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  /** @param before what starts it, such as `ip netns exec NAME` */
  constructor(args: readonly string[], cwd?: string, before: readonly string[] = []) {
    const env = { ...process.env, NO_COLOR: '1' };
    const [program = '', ...rest] = [...before, process.execPath, MAIN, ...args];
    this.#child = spawn(program, rest, { stdio: 'pipe', cwd, env });
    const { stdout, stderr, stdin } = this.#child;
    stdin?.on('error', () => undefined);
    let pending = '';
    const take = (data: Buffer): void => {
      const lines = (pending + data.toString()).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines)
        if (line.startsWith('{"event"')) this.events.push(JSON.parse(line) as ShoalEvent);
      this.#signal();
    };
    const isContent = args.includes('-') && args[0] === 'get';
    stdout?.on('data', (data: Buffer) => {
      this.stdout = Buffer.concat([this.stdout, data]);
      if (!isContent) take(data);
    });
    stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
      if (isContent) take(data);
      this.#signal();
    });
    this.#exited = once(this.#child, 'close').then(([code]) => {
      this.#isOver = true;
      this.#signal();
      return code as number | null;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The first event of a kind that satisfies the test; fails when the process ends without it. */
  async waitFor(kind: string, test: (event: ShoalEvent) => boolean = () => true): Promise<ShoalEvent> {
    for (;;) {
      const found = this.events.find((event) => event.event === kind && test(event));
      if (found) return found;
      if (this.#isOver) throw new Error(`no ${kind} event. ${JSON.stringify(this.events)} ${this.stderr}`);
      await this.#orGiveUp(this.#wake.promise);
    }
  }

  /** Waits for text on standard error. */
  async waitForNote(text: string): Promise<void> {
    while (!this.stderr.includes(text)) {
      if (this.#isOver) throw new Error(`it never said "${text}": ${this.stderr}`);
      await this.#orGiveUp(this.#wake.promise);
    }
  }

  /** Its exit code; null when a signal ended it. */
  async exit(): Promise<number | null> {
    return this.#orGiveUp(this.#exited);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  input(bytes: Uint8Array): void {
    this.#child.stdin?.end(bytes);
  }

  /** Stops reading what it prints, as `head` does. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  /** A process that hangs must fail its test, and not the whole run. */
  async #orGiveUp<T>(promise: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#hung = true;
      this.#child.kill('SIGKILL');
    }, HUNG_MS);
    try {
      const result = await promise;
      if (this.#hung) throw new Error(`it hung. ${JSON.stringify(this.events)} ${this.stderr}`);
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  #signal(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** A folder for one test, and the processes it starts; all are gone after it. */
export class Scene implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'shoal-cli-'));
  readonly network = `test-${process.pid}-${Math.floor(performance.now())}`;
  readonly #started: ShoalProcess[] = [];

  /** A verb with a data folder of that name, alone in its network, on loopback. */
  shoal(data: string, verb: string, ...args: string[]): ShoalProcess {
    const common = ['--data', join(this.folder, data), '--json', '--no-mdns', '--network', this.network];
    return this.start([verb, ...args, ...common, '--listen', '/ip4/127.0.0.1/tcp/0']);
  }

  /** @param before as {@link ShoalProcess} takes it */
  start(args: readonly string[], before?: readonly string[]): ShoalProcess {
    const started = new ShoalProcess(args, this.folder, before);
    this.#started.push(started);
    return started;
  }

  /** Takes the limits off a node that runs: what had to last until something else happened may end now. */
  async unlimit(data: string): Promise<void> {
    const limit = this.shoal(data, 'limit');
    if ((await limit.exit()) !== 0) throw new Error(`no limit was changed: ${limit.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#started) each.signal('SIGKILL');
    await Promise.all(this.#started.map((each) => each.exit()));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
