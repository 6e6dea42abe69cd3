import { readFileSync } from 'node:fs';

/** Characters of a run id that tell start times apart. */
const START_DIGITS = 2;

function startText(ticks: number): string {
  return (ticks % 36 ** START_DIGITS).toString(36).padStart(START_DIGITS, '0');
}

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
  return `${pid.toString(36)}x${startText(startTime(pid) ?? 0)}`;
}

/** The process that an id names. It is read from its end: `x` is a digit as well, and either number may have it. */
export function ownerOf(id: string): { pid: number; start: string } {
  return { pid: parseInt(id.slice(0, -1 - START_DIGITS), 36), start: id.slice(-START_DIGITS) };
}

/** Whether the process that made this id is alive. */
export function isAlive(id: string): boolean {
  const { pid, start } = ownerOf(id);
  const started = startTime(pid);
  return started !== undefined && startText(started) === start;
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
