import { readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** The systems inherit it: what else the machine does then weighs little, though it still shows as CPU and load. */
const NICE = -15;

/** The niceness of this process's session, where the kernel groups processes by session (sched_autogroup). */
const GROUP = '/proc/self/autogroup';

/**
 * Gives this process, and the children it starts from now on, precedence until it is disposed of: what comes after a
 * run must not compete with the next one. Where the kernel groups processes by session, it is the group's niceness
 * that counts.
 */
export function takePrecedence(): Disposable {
  const own = getPriority();
  const group = groupNice();
  setPriority(NICE);
  setGroupNice(NICE);
  return {
    [Symbol.dispose]: () => {
      setPriority(own);
      if (group !== undefined) setGroupNice(group);
    },
  };
}

function groupNice(): number | undefined {
  try {
    const nice = / nice (-?\d+)/.exec(readFileSync(GROUP, 'utf8'))?.[1];
    return nice === undefined ? undefined : Number(nice);
  } catch {
    return undefined;
  }
}

function setGroupNice(nice: number): void {
  try {
    writeFileSync(GROUP, String(nice));
  } catch {
    // No such grouping here.
  }
}
