import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { output } from './ip.ts';
import { idIn, isAlive, names, runId } from './run-id.ts';

/** How often a namespace's processes are looked for again: one that forks while it is being killed is met next time. */
const KILL_ROUNDS = 50;

/** What was swept, for a line to the user. */
export interface Swept {
  namespaces: number;
  processes: number;
}

/**
 * Kills everything in the namespaces of the chosen test beds, and removes namespaces, interfaces and folders.
 * Nothing whose name does not carry a test bed's id is touched.
 * @param chosen by id; default: those whose owner is dead
 */
export async function sweep(chosen: (id: string) => boolean = (id) => !isAlive(id)): Promise<Swept> {
  const ours = (name: string): boolean => {
    const id = idIn(name);
    return id !== undefined && chosen(id);
  };
  const namespaces = (await output('ip', 'netns', 'list'))
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter(ours);
  let processes = 0;
  for (const namespace of namespaces) {
    processes += await killAll(namespace);
    await output('ip', 'netns', 'delete', namespace).catch(ignoreGone);
  }
  for (const link of readdirSync('/sys/class/net').filter(ours)) {
    await output('ip', 'link', 'delete', link).catch(ignoreGone);
  }
  const shm = dirname(names.folder(''));
  for (const folder of readdirSync(shm).filter(ours))
    rmSync(join(shm, folder), { recursive: true, force: true });
  return { namespaces: namespaces.length, processes };
}

/** A veth vanishes with its other end, at a moment of the kernel's choosing. */
function ignoreGone(error: unknown): void {
  if (!/Cannot find device|No such file/.test(String((error as { stderr?: string }).stderr))) throw error;
}

/** Another test bed is looked for so often. */
const TURN_MS = 500;

/**
 * Waits until no other test bed has namespaces on this machine: two at once would measure each other.
 * @param onWait called once, if there is one to wait for
 */
export async function ownTurn(signal: AbortSignal, onWait: () => void): Promise<void> {
  for (let waits = 0; ; waits++) {
    const list = (await output('ip', 'netns', 'list')).split('\n');
    const others = list.map(idIn).filter((id) => id !== undefined && id !== runId() && isAlive(id));
    if (others.length === 0) return;
    if (waits === 0) onWait();
    await delay(TURN_MS, undefined, { signal });
  }
}

async function killAll(namespace: string): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const pids = (await output('ip', 'netns', 'pids', namespace)).split('\n').filter(Boolean).map(Number);
    if (pids.length === 0) break;
    for (const pid of pids) {
      killed.add(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in between.
      }
    }
  }
  return killed.size;
}
