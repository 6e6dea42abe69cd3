import { mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Command, RATES } from './command.ts';
import type { Dice } from './dice.ts';
import { differences, listContent } from './made-tree.ts';

/** Exit codes of a download that somebody ended: 130 for Ctrl-C. */
const ENDED = new Set<number | string>(['SIGKILL', 'SIGINT', 'SIGTERM', 130, 143]);

/** What {@link Person} takes. */
export interface PersonOptions {
  name: string;
  /** Of the round; the person's own is made below it. */
  folder: string;
  /** Another's data folder, which is then of both. */
  data: string | undefined;
  /** What to fetch and where from, and what all commands have in common. */
  args: readonly string[];
  dice: Dice;
}

/** Somebody who wants what is shared, and starts again until it is there. */
export class Person {
  readonly name: string;
  readonly data: string;
  command: Command | undefined;
  /** When it may start (again). */
  startsAt: number;
  /** When its process was started. */
  startedAt = Infinity;
  isDone = false;
  /** What is wrong with what it has, or how it ended. */
  readonly faults: string[] = [];
  /** It ended since it found nobody, and why that may be is not known here. */
  foundNobody = false;
  readonly folder: string;
  readonly #args: readonly string[];
  /** It stays when it is done, and serves. */
  readonly #keeps: boolean;
  readonly #log: string;

  constructor({ name, folder, data, args, dice }: PersonOptions) {
    const own = join(folder, name);
    this.name = name;
    this.folder = join(own, 'out');
    this.data = data ?? join(own, 'data');
    this.#log = join(folder, `${name}.log`);
    this.#keeps = dice.chance(0.3);
    const rate = (): string => dice.pick(RATES);
    this.#args = [
      'get',
      ...args,
      ...['-o', join(this.folder, 'asset'), '--data', this.data, '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...(this.#keeps ? ['--seed'] : ['--linger', dice.pick(['0', '3s', '10s'])]),
      ...(dice.chance(0.5) ? ['--upload-limit', rate()] : []),
      ...(dice.chance(0.5) ? ['--download-limit', rate()] : []),
    ];
    this.startsAt = Date.now() + dice.int(0, 4000);
  }

  /** Whether it fetches now. */
  get isFetching(): boolean {
    return this.command !== undefined && !this.isDone;
  }

  /** Where it serves what it has, if it is done and stays; undefined where its data folder is another's. */
  get servesAt(): string | undefined {
    if (!this.isDone || !this.#keeps || !this.command?.isRunning) return undefined;
    if (basename(dirname(this.data)) !== this.name) return undefined;
    return (this.command.find('listening')?.['addresses'] as string[] | undefined)?.[0];
  }

  /** @param further arguments beside its own */
  async start(further: readonly string[]): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    this.command = new Command([...this.#args, ...further], this.#log);
    this.startedAt = Date.now();
  }

  /** Looks how it is going. @returns whether its process ended without being done */
  async look(expected: Map<string, string>): Promise<boolean> {
    const { command } = this;
    if (!command || this.isDone) return false;
    // All that it said is here when it has ended.
    const code = command.isRunning ? undefined : await command.exited;
    if (command.find('done')) {
      if (!this.#keeps) await this.#endsWell(command);
      this.isDone = true;
      await this.#compare(expected);
      return false;
    }
    if (code === undefined) return false;
    this.command = undefined;
    const error = command.find('error');
    this.foundNobody = !ENDED.has(code) && error?.['code'] === 'ERR_NO_PROVIDERS';
    if (code === 0) this.faults.push('ended with 0 and was not done');
    else if (!ENDED.has(code) && !this.foundNobody)
      this.faults.push(`ended with ${code}: ${JSON.stringify(error)}`);
    return true;
  }

  async #endsWell(command: Command): Promise<void> {
    const code = await command.exited;
    if (code !== 0 && !ENDED.has(code)) this.faults.push(`was done and ended with ${code}`);
  }

  async #compare(expected: Map<string, string>): Promise<void> {
    this.faults.push(...differences(expected, await listContent(join(this.folder, 'asset'))));
    const rest = (await readdir(this.folder)).filter((name) => name !== 'asset');
    if (rest.length > 0) this.faults.push(`left ${rest.join(', ')} beside what it fetched`);
  }
}
