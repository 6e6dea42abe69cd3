import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Host } from '../../testbed/network.ts';
import { killNow, spawnIn } from '../../testbed/spawn.ts';
import type { Running } from '../../testbed/system.ts';

/** A client program, which talks in lines. */
export interface Program extends Running {
  /** Resolves at its line `ready`, to what follows that word. */
  readonly ready: Promise<string>;
  /** Resolves at its line `done`; rejects at `failed …`, or when it ends before. */
  readonly finished: Promise<void>;
  say(line: string): void;
}

/** What a program says with a line, in the words of {@link Program}; undefined: nothing of interest. */
export type Hear = (line: string) => string | undefined;

/** Starts a program in a host's namespace that prints `ready`, then `done`, or `failed` with a reason. */
export function startProgram(host: Host, command: readonly [string, ...string[]]): Program {
  const child = spawnIn(host, command);
  return programOn(
    child,
    (reason) => `${host.name}: ${reason}; see ${host.folder}/stderr.log.`,
    () => killNow(child),
  );
}

/**
 * The program that runs as `child`.
 * @param failure what an error says, given the reason
 * @param hear for programs that speak otherwise
 */
export function programOn(
  child: ChildProcess,
  failure: (reason: string) => string,
  kill: () => Promise<void>,
  hear: Hear = (line) => line,
): Program {
  const ready = Promise.withResolvers<string>();
  const finished = Promise.withResolvers<void>();
  const fail = (reason: string): void => {
    const error = new Error(failure(reason));
    ready.reject(error);
    finished.reject(error);
  };
  // Whoever does not wait for them is not to be ended by them.
  ready.promise.catch(() => {});
  finished.promise.catch(() => {});
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, word, rest = ''] = /^(ready|done|failed)(?: (.*))?$/.exec(hear(line) ?? '') ?? [];
      if (word === 'ready') ready.resolve(rest);
      if (word === 'done') finished.resolve();
      if (word === 'failed') fail(rest);
    });
  }
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => fail(`its program ended with ${signal ?? `exit code ${code}`}`));
  return {
    ready: ready.promise,
    finished: finished.promise,
    say: (line) => void child.stdin?.write(`${line}\n`),
    kill,
  };
}
