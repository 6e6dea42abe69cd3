import { figure, median, type Line } from '../../result.ts';
import type { PairSystem, Transfer } from './pair.ts';

/** A system and its transfers, in the order of the runs. */
export interface Measured {
  readonly system: Pick<PairSystem, 'name' | 'about' | 'asked'>;
  readonly transfers: readonly Transfer[];
  /** Why it has no more of them. */
  readonly failure?: string | undefined;
}

/** What is looked at in a transfer. */
const QUANTITIES = [
  { name: 'speed', unit: 'MB/s', better: 'more', of: (run: Transfer) => run.mbPerSec },
  {
    name: 'CPU of both sides for each GiB',
    unit: 's',
    better: 'less',
    of: (run: Transfer, gib: number) => (run.sender.cpuSec + run.receiver.cpuSec) / gib,
  },
  {
    name: 'peak memory of the sender',
    unit: 'MB',
    better: 'less',
    of: (run: Transfer) => run.sender.peakRssBytes / 1e6,
  },
  {
    name: 'peak memory of the receiver',
    unit: 'MB',
    better: 'less',
    of: (run: Transfer) => run.receiver.peakRssBytes / 1e6,
  },
] as const;

/**
 * A table in Markdown, a line for each system, the fastest first: medians, the least and the most.
 * @param shoal name of the system to which the others are held
 * @param gib size of the file
 */
export function pairTable(measured: readonly Measured[], shoal: string, gib: number): string {
  const speedOf = ({ transfers }: Measured): number => median(transfers.map((run) => run.mbPerSec));
  const ours = measured.find(({ system }) => system.name === shoal);
  const done = measured
    .filter(({ transfers }) => transfers.length > 0)
    .toSorted((a, b) => speedOf(b) - speedOf(a));
  const rows = done.map((each) => {
    const { system, transfers } = each;
    const cell = (of: (run: Transfer) => number): string => spread(transfers.map(of));
    return [
      system.name,
      cell((run) => run.mbPerSec),
      ours && each !== ours ? ratio(speedOf(ours) / speedOf(each), system.asked) : '',
      cell((run) => (run.sender.cpuSec + run.receiver.cpuSec) / gib),
      `${cell((run) => run.sender.cpuSec / gib)} + ${cell((run) => run.receiver.cpuSec / gib)}`,
      `${megabytes(transfers, 'sender')} / ${megabytes(transfers, 'receiver')}`,
      system.about,
    ];
  });
  const undone = measured
    .filter(({ transfers }) => transfers.length === 0)
    .map(({ system, failure }) => [system.name, failure ?? '', '', '', '', '', system.about]);
  const head = ['system', 'MB/s', 'Shoal is', 'CPU s per GiB', 'sender + receiver', 'peak RSS, MB', ''];
  return [head, head.map(() => '---'), ...rows, ...undone].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** The lines of a result: Shoal's quantities, each against that of every other system in the same run. */
export function pairLines(measured: readonly Measured[], shoal: string, gib: number): Line[] {
  const ours = measured.find(({ system }) => system.name === shoal);
  if (!ours) return [];
  return QUANTITIES.flatMap(({ name, unit, better, of }) =>
    measured
      .filter((each) => each !== ours && each.transfers.length > 0)
      .map(({ system, transfers }): Line => ({
        name: `one pair, ${figure(gib)} GiB: ${name}`,
        unit,
        better,
        values: ours.transfers.map((run) => of(run, gib)),
        bound: {
          name: system.name,
          values: transfers.map((run) => of(run, gib)),
          ...(name === 'speed' && system.asked !== undefined ? { asked: system.asked } : {}),
        },
      })),
  );
}

function ratio(value: number, asked: number | undefined): string {
  return `${figure(value)} ×${asked === undefined ? '' : ` (asked ≥ ${asked})`}`;
}

function megabytes(transfers: readonly Transfer[], side: 'sender' | 'receiver'): string {
  return (median(transfers.map((run) => run[side].peakRssBytes)) / 1e6).toFixed(0);
}

function spread(values: readonly number[]): string {
  const middle = figure(median(values));
  return values.length === 1
    ? middle
    : `${middle} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}
