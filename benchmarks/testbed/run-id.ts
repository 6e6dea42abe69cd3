import { readFileSync } from 'node:fs';

/** How many start times a run id tells apart: two characters. */
const START_TIMES = 36 ** 2;

/** The start time of a process in clock ticks, or undefined where there is no such process. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in brackets and may hold anything; field 22 of proc(5) is the 20th after it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

/**
 * The name of a test bed: says which process owns it, so that the next one can tell what is left over (its owner is
 * dead, however it died) from what is in use. Short enough for interface names, which have at most 15 characters.
 */
export function runId(pid = process.pid): string {
  return `${pid.toString(36)}x${((startTime(pid) ?? 0) % START_TIMES).toString(36)}`;
}

/** Whether the process that made this id is alive. */
export function isAlive(id: string): boolean {
  const [pid36 = '', start36 = ''] = id.split('x');
  const started = startTime(parseInt(pid36, 36));
  return started !== undefined && (started % START_TIMES).toString(36) === start36;
}

/** The id in a namespace's, interface's or folder's name, undefined where it is not a test bed's. */
export function idIn(name: string): string | undefined {
  return /^(?:shoal-bed-|sb)([0-9a-z]+?x[0-9a-z]+)-/.exec(name)?.[1];
}

/** Names of a run's things. `sb` for interfaces, whose names must be short. */
export const names = {
  namespace: (id: string, host: string): string => `shoal-bed-${id}-${host}`,
  link: (id: string, host: string): string => `sb${id}-${host}`,
  folder: (id: string): string => `/dev/shm/shoal-bed-${id}-`,
};
