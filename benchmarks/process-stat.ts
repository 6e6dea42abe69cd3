/** A process as the kernel tells of it in `/proc/<pid>/stat` (proc(5)). */
export interface ProcessStat {
  group: number;
  /** Its own CPU time. */
  cpuSec: number;
  /** That of its children that have ended. */
  endedCpuSec: number;
}

/** Ticks of a second in `/proc`: 100 on every architecture that Node runs on. */
const TICKS_PER_SEC = 100;

/** Reads a line of `/proc/<pid>/stat`. The second field, a name in brackets, may hold blanks and brackets. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // Numbered from the third field on, which is the state.
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    group: field(5),
    cpuSec: (field(14) + field(15)) / TICKS_PER_SEC,
    endedCpuSec: (field(16) + field(17)) / TICKS_PER_SEC,
  };
}
