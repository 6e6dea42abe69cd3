import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { basename, dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { checkBuilt } from './built.ts';

/** What a child tells when it stops. */
export interface ChildUsage {
  peakRssBytes: number;
  /** Of its whole life. */
  cpuMs: number;
  /** Since it was ready: without start-up and import, where the child tells them apart. */
  transferCpuMs: number;
}

const children = join(import.meta.dirname, 'children');
const built = new Map<string, string>();

/**
 * A child's program as JavaScript: what strips types in Node takes 18 MB, which would count as the program's. What it
 * imports of packages is found from where it lies.
 * @param script absolute path of a TypeScript file
 */
export function programOf(script: string): string {
  let outfile = built.get(script);
  if (outfile === undefined) {
    outfile = join(dirname(script), '.built', basename(script).replace(/\.ts$/, '.mjs'));
    buildSync({
      entryPoints: [script],
      outfile,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      // Ours says where the sources of "shoal" are; what is measured is the package.
      tsconfigRaw: '{}',
    });
    built.set(script, outfile);
  }
  return outfile;
}

/** One child process of a benchmark, talking in lines of JSON. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  /** @param script file name below `children` */
  constructor(script: string, args: readonly string[]) {
    // Once: what somebody changes meanwhile must not end a long run.
    if (built.size === 0) checkBuilt();
    this.#process = spawn(process.execPath, [programOf(join(children, script)), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#reader = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** The next object the child tells. */
  async hear<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done)
      throw new Error(`a benchmark's child process ended early (exit code ${this.#process.exitCode})`);
    return JSON.parse(value as string) as T;
  }

  /** Lets a child begin that waits for it. */
  go(): void {
    this.say('go');
  }

  /** Sends a line to a child that listens. */
  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Stops the child and returns what it used. */
  async stop(): Promise<ChildUsage> {
    this.#process.stdin?.end();
    const usage = await this.hear<ChildUsage>();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    return usage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }
}
