import { readFileSync, readdirSync } from 'node:fs';
import { parseStat, type ProcessStat } from '../../process-stat.ts';

/** What one side of a transfer used. */
export interface Usage {
  /** CPU time, user and system, since {@link UsageMeter.start}. */
  cpuSec: number;
  /** Most memory of its whole life, of all its processes together; memory that they share counts for each. */
  peakRssBytes: number;
}

/** The most memory that a process had, from `/proc/<pid>/status`; 0 for one that has ended. */
export function parsePeakRss(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Measures a process and all that it starts, as long as they stay in its process group. */
export class UsageMeter {
  readonly #leader: number;
  readonly #isDriven: boolean;
  readonly #peaks = new Map<number, number>();
  #startSec = 0;

  /**
   * @param leader process id, and so the group's
   * @param isDriven the leader only drives a client, and is not counted itself
   */
  constructor(leader: number, isDriven: boolean) {
    this.#leader = leader;
    this.#isDriven = isDriven;
  }

  /** CPU time counts from here. */
  start(): void {
    this.#startSec = this.#cpuSec();
  }

  /** Looks at the memory of each process: those that end are forgotten by the kernel. */
  sample(): void {
    for (const [pid] of this.#processes()) {
      if (pid === this.#leader && this.#isDriven) continue;
      const peak = parsePeakRss(readOrEmpty(`/proc/${pid}/status`));
      this.#peaks.set(pid, Math.max(peak, this.#peaks.get(pid) ?? 0));
    }
  }

  usage(): Usage {
    this.sample();
    return {
      cpuSec: this.#cpuSec() - this.#startSec,
      peakRssBytes: [...this.#peaks.values()].reduce((sum, peak) => sum + peak, 0),
    };
  }

  #cpuSec(): number {
    return this.#processes().reduce(
      (sum, [pid, { cpuSec, endedCpuSec }]) =>
        sum + endedCpuSec + (pid === this.#leader && this.#isDriven ? 0 : cpuSec),
      0,
    );
  }

  #processes(): [pid: number, ProcessStat][] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name): [number, ProcessStat] => [Number(name), parseStat(readOrEmpty(`/proc/${name}/stat`))])
      .filter(([, { group }]) => group === this.#leader);
  }
}

/** Whatever was listed may have ended since. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
