import { contributors, type BedOutcome } from '../testbed/outcome.ts';
import { spread } from '../testbed/report.ts';

/** What the table needs of a run, and after how many seconds it would have been given up. */
export type PeerOutcome = Pick<
  BedOutcome,
  'system' | 'scenario' | 'boundSec' | 'lastSec' | 'originFiles' | 'cpu' | 'nodes'
> & { limitSec: number };

/**
 * The table of a scenario, a line for each system in the order in which they ran. What is given is the median of the
 * runs, with the least and the most.
 */
export function comparison(outcomes: readonly PeerOutcome[]): string {
  const lines = [...Map.groupBy(outcomes, (outcome) => outcome.system).values()].map(line);
  const rows = [['system', 'last ÷ T_min', 'finished', 'origin sent, F', 'runs', 'CPU'], ...lines];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((text) => text.trimEnd())
    .join('\n');
}

function line(runs: readonly PeerOutcome[]): string[] {
  const ratios = runs.map(({ lastSec, boundSec }) =>
    lastSec === undefined ? undefined : lastSec / boundSec,
  );
  const finished = runs.map((run) => contributors(run).filter((node) => node.correct === true).length);
  const all = contributors(runs[0] as PeerOutcome).length;
  const [least, most] = [Math.min(...finished), Math.max(...finished)];
  return [
    runs[0]?.system ?? '',
    lastCell(runs, ratios),
    `${least === most ? least : `${least}–${most}`} of ${all}`,
    spread(
      runs.map((run) => run.originFiles),
      2,
    ),
    `${runs.length}`,
    spread(
      runs.map((run) => run.cpu),
      2,
    ),
  ];
}

function lastCell(runs: readonly PeerOutcome[], ratios: readonly (number | undefined)[]): string {
  const open = ratios.filter((ratio) => ratio === undefined).length;
  if (open === 0) return spread(ratios, 3);
  const notDone = `not done in ${Math.round(runs[0]?.limitSec ?? 0)} s`;
  return open === runs.length ? notDone : `${spread(ratios, 3)}; ${open} of ${runs.length} runs ${notDone}`;
}
