import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOn, type Hear, type Program } from '../systems/program.ts';
import { UsageMeter, type Usage } from './usage.ts';

/** What can move a file from one process to another. */
export interface PairSystem {
  readonly name: string;
  /** How it moves the bytes, in a few words: the transport, its encryption, and what is checked. */
  readonly about: string;
  /** What Shoal's speed shall be at least, over this one's (issue 4). */
  readonly asked?: number | undefined;
  /**
   * Which version runs.
   * @throws Error with a sentence that says what to install, where it cannot run here
   */
  version(): Promise<string>;
  /**
   * Starts both sides, the receiver knowing nothing of the sender.
   * @returns what tells the receiver to begin, as soon as both are up and the sender is ready to serve
   */
  start(pair: Pair): Promise<() => void>;
}

/** What both sides are reached at: an address of the loopback interface, but none that clients refuse as such. */
export const ADDRESS = '10.0.0.1';

/** The file that is moved. */
export interface PairContent {
  /** Absolute path. */
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

/** The two sides of a transfer. */
export type Side = 'sender' | 'receiver';

/** What one transfer took. */
export interface Transfer {
  mbPerSec: number;
  sender: Usage;
  receiver: Usage;
}

/** How often memory is looked at: 0.1 ms of processor each time. */
const SAMPLE_EVERY_MS = 100;

/** Enough for an error and where it was thrown. */
const LAST_LINES = 12;

/** One transfer, as a system sees it: where it starts its two processes. */
export class Pair implements AsyncDisposable {
  readonly content: PairContent;
  /** Where the received file is to be. Its folder exists and is empty. */
  readonly target: string;
  /** What is to be closed when the transfer is over. */
  readonly closing = new AsyncDisposableStack();
  readonly #folder: string;
  readonly #sides = new Map<Side, { program: Program; meter: UsageMeter }>();

  /** @param folder an empty folder of this transfer */
  constructor(content: PairContent, folder: string) {
    this.content = content;
    this.#folder = folder;
    this.target = join(this.folderOf('receiver'), 'received', content.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sides.values()].map(({ program }) => program.kill()));
    await this.closing.disposeAsync();
  }

  /** A side's own folder. */
  folderOf(side: Side): string {
    return join(this.#folder, side);
  }

  async makeFolders(): Promise<void> {
    await mkdir(this.folderOf('sender'));
    await mkdir(join(this.folderOf('receiver'), 'received'), { recursive: true });
  }

  /**
   * Starts a side's program, in its folder.
   * @param options `isDriven`: it only drives the client, and is not measured; `hear`: how it speaks, if not in lines
   * `ready`, `done` and `failed`
   */
  run(
    side: Side,
    [command, ...args]: readonly [string, ...string[]],
    { isDriven = false, hear }: { isDriven?: boolean; hear?: Hear } = {},
  ): Program {
    const cwd = this.folderOf(side);
    // In a group of its own, by which all that it starts is measured, and killed.
    const child = spawn(command, args, { cwd, detached: true, stdio: 'pipe' });
    child.stderr.pipe(createWriteStream(this.#logOf(side)));
    // A write to a killed child is no news: its exit is what counts.
    child.stdin.on('error', () => {});
    const kill = async (): Promise<void> => {
      if (child.pid === undefined) return;
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // All of them have ended by themselves.
      }
      await gone;
    };
    const program = programOn(child, (reason) => `${side}: ${reason}`, kill, hear);
    this.#sides.set(side, { program, meter: new UsageMeter(child.pid ?? 0, isDriven) });
    return program;
  }

  /** The end of what each side wrote to its standard error: of use where it failed. */
  async lastWords(): Promise<string> {
    const sides = [...this.#sides.keys()];
    const logs = await Promise.all(sides.map((side) => readFile(this.#logOf(side), 'utf8').catch(() => '')));
    return logs
      .flatMap((log) => log.trimEnd().split('\n').slice(-LAST_LINES))
      .filter(Boolean)
      .join('\n');
  }

  /** Lets the receiver begin, and measures until it says that it is done. */
  async measure(go: () => void): Promise<Transfer> {
    const [sender, receiver] = [this.#side('sender'), this.#side('receiver')];
    const both = [sender, receiver];
    const sampling = setInterval(() => both.forEach(({ meter }) => meter.sample()), SAMPLE_EVERY_MS);
    both.forEach(({ meter }) => meter.start());
    const started = performance.now();
    try {
      go();
      await receiver.program.finished;
      const ms = performance.now() - started;
      return {
        mbPerSec: this.content.bytes / 1000 / ms,
        sender: sender.meter.usage(),
        receiver: receiver.meter.usage(),
      };
    } finally {
      clearInterval(sampling);
    }
  }

  #logOf(side: Side): string {
    return join(this.folderOf(side), 'stderr.log');
  }

  #side(side: Side): { program: Program; meter: UsageMeter } {
    const started = this.#sides.get(side);
    if (!started) throw new Error(`the ${side} was not started`);
    return started;
  }
}
