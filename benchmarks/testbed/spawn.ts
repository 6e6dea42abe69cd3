import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './network.ts';

/** Whatever a host's processes may need from this process' environment, and nothing else of it. */
const KEPT_ENVIRONMENT = ['PATH', 'HOME', 'LANG'];

/**
 * Starts a program in a host's namespace. Standard input and output are pipes; standard error goes to
 * `<host folder>/<log>`. The network's teardown kills it at the latest.
 * @param log file name; appended to, so that a restart's output follows the first start's
 */
export function spawnIn(
  host: Host,
  command: readonly [string, ...string[]],
  log = 'stderr.log',
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const kept = Object.fromEntries(
    KEPT_ENVIRONMENT.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const child = spawn('ip', ['netns', 'exec', host.namespace, ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: host.folder,
    env: { ...kept, ...env },
  });
  child.stderr?.pipe(createWriteStream(join(host.folder, log), { flags: 'a' }));
  // A write to a killed child is no news: its exit is what counts.
  child.stdin?.on('error', () => {});
  return child;
}

/** Kills with SIGKILL and waits until it is gone. `ip netns exec` becomes the program itself, so its id is the program's. */
export async function killNow(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
