import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const CLI = resolve(import.meta.dirname, '../../dist/node/cli.js');

/** Rates of links, as the command line takes them: some so low that trouble comes in the middle of every download. */
export const RATES = ['500kB', '1MB', '2MB', '4MB', '8MB'] as const;

export interface CommandEvent {
  event: string;
  [field: string]: unknown;
}

/** One `shoal` process of the built package; all that it says also goes to a file. */
export class Command {
  readonly events: CommandEvent[] = [];
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #wake = Promise.withResolvers<void>();

  constructor(args: readonly string[], log: string) {
    this.#child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const file = createWriteStream(log, { flags: 'a' });
    file.write(`--- ${args.join(' ')}\n`);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const lines = createInterface({ input: stream as NodeJS.ReadableStream });
      lines.on('line', (line) => {
        file.write(`${new Date().toISOString()} ${line}\n`);
        if (line.startsWith('{"event"')) this.events.push(JSON.parse(line) as CommandEvent);
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
      });
    }
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      file.end(`--- ended: ${code ?? signal}\n`);
      this.#wake.resolve();
      return (code ?? signal) as number | NodeJS.Signals;
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first event of a kind so far. */
  find(kind: string): CommandEvent | undefined {
    return this.events.find(({ event }) => event === kind);
  }

  /** The first event of a kind, when it comes; undefined when the process ends without it. */
  async waitFor(kind: string): Promise<CommandEvent | undefined> {
    for (;;) {
      const found = this.find(kind);
      if (found || !this.isRunning) return found;
      await this.#wake.promise;
    }
  }
}
