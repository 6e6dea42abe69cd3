import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A line that `shoal --json` prints. */
export interface ShoalEvent {
  event: string;
  [field: string]: unknown;
}

/** How long a stopped process may take; the command promises two seconds. */
const STOP_MS = 4_000;

/** One `shoal` command as a process of its own, and what it prints. */
export class ShoalProcess {
  readonly name: string;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(event: ShoalEvent) => void>();
  /** The last thing it said on standard error, or that it ended, for a message when something goes wrong. */
  #lastWords = '';

  constructor(name: string, cli: string, args: readonly string[]) {
    this.name = name;
    this.#child = spawn(process.execPath, [cli, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => (this.#lastWords = error.message));
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error('a child without pipes');
    createInterface({ input: stdout }).on('line', (line) => this.#handleLine(line));
    createInterface({ input: stderr }).on('line', (line) => (this.#lastWords = line));
  }

  onEvent(listener: (event: ShoalEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** The first event of a kind. Rejects when the process fails or ends before it. */
  async waitFor(kind: string): Promise<ShoalEvent> {
    return new Promise((resolve, reject) => {
      this.onEvent((event) => {
        if (event.event === kind) resolve(event);
        else if (event.event === 'error') reject(new Error(`${this.name}: ${String(event['message'])}`));
      });
      void this.exited.then(() => reject(new Error(`${this.name} ended early. ${this.#lastWords}`.trim())));
    });
  }

  /** SIGKILL: no goodbye, as when the power fails. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, and SIGKILL when that is not enough. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }

  #handleLine(line: string): void {
    let event: ShoalEvent;
    try {
      event = JSON.parse(line) as ShoalEvent;
    } catch {
      this.#lastWords = line;
      return;
    }
    for (const listener of this.#listeners) listener(event);
  }
}
