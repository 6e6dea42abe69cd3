import { createInterface } from 'node:readline';
import type { Host } from '../../testbed/network.ts';
import { killNow, spawnIn } from '../../testbed/spawn.ts';
import type { Running } from '../../testbed/system.ts';

/** A client program in a host's namespace, which talks in lines. */
export interface Program extends Running {
  /** Resolves at its line `ready`. */
  readonly ready: Promise<void>;
  /** Resolves at its line `done`; rejects at `failed …`, or when it ends before. */
  readonly finished: Promise<void>;
  say(line: string): void;
}

/** Starts a program that prints `ready`, then `done`, or `failed` with a reason. */
export function startProgram(host: Host, command: readonly [string, ...string[]]): Program {
  const child = spawnIn(host, command);
  const ready = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const fail = (reason: string): void => {
    const error = new Error(`${host.name}: ${reason}; see ${host.folder}/stderr.log.`);
    ready.reject(error);
    finished.reject(error);
  };
  // Whoever does not wait for them is not to be ended by them.
  ready.promise.catch(() => {});
  finished.promise.catch(() => {});
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') ready.resolve();
      if (line === 'done') finished.resolve();
      if (line.startsWith('failed ')) fail(line.slice('failed '.length));
    });
  }
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => fail(`its program ended with ${signal ?? `exit code ${code}`}`));
  return {
    ready: ready.promise,
    finished: finished.promise,
    say: (line) => void child.stdin?.write(`${line}\n`),
    kill: () => killNow(child),
  };
}
