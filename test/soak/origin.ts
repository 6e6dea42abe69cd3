import { join } from 'node:path';
import { Command, type CommandEvent } from './command.ts';

/** Who shares: may be killed, and comes back from its data folder. */
export class Origin {
  command: Command;
  /** When it comes back; undefined while it is there, Infinity where it never does. */
  backAt: number | undefined;
  readonly #args: readonly string[];
  readonly #log: string;

  constructor(source: string, folder: string, common: readonly string[]) {
    this.#args = ['--data', join(folder, 'origin'), '--no-web', ...common];
    this.#log = join(folder, 'origin.log');
    this.command = new Command(['share', source, ...this.#args], this.#log);
  }

  get isThere(): boolean {
    return this.backAt === undefined;
  }

  sharing(): Promise<CommandEvent | undefined> {
    return this.command.waitFor('sharing');
  }

  kill(backAt: number): void {
    this.command.signal('SIGKILL');
    this.backAt = backAt;
  }

  /** Comes back, if it is time. @returns whether it did */
  look(now: number): boolean {
    if (this.backAt === undefined || now < this.backAt) return false;
    this.command = new Command(['seed', ...this.#args], this.#log);
    this.backAt = undefined;
    return true;
  }
}
