import { contributors, type BedOutcome, type NodeOutcome } from './outcome.ts';
import { TARGETS, misses } from './targets.ts';

/** Median with the least and the most, or a dash for no values. */
export function spread(values: readonly (number | undefined)[], digits: number): string {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (known.length === 0) return '–';
  const at = (index: number): string => (known[index] as number).toFixed(digits);
  const middle = at(Math.floor((known.length - 1) / 2));
  return known.length === 1 ? middle : `${middle} (${at(0)}–${at(known.length - 1)})`;
}

/** One line of the table: all runs of one scenario by one system. */
export function row(runs: readonly BedOutcome[]): string[] {
  const first = runs[0] as BedOutcome;
  const target = TARGETS[first.scenario];
  const missed = [...new Set(runs.flatMap((run) => misses(run, target)))];
  const finished = runs.map((run) => contributors(run).filter((node) => node.correct === true).length);
  return [
    first.scenario,
    first.system,
    spread(
      runs.map((run) => (run.lastSec === undefined ? undefined : run.lastSec / run.boundSec)),
      3,
    ),
    target?.lastOverBound === undefined ? '' : `≤ ${target.lastOverBound.toFixed(2)}`,
    `${Math.min(...finished)}/${contributors(first).length}`,
    spread(
      runs.map((run) => run.lastSec),
      1,
    ),
    first.boundSec.toFixed(1),
    spread(
      runs.map((run) => run.originFiles),
      2,
    ),
    spread(
      runs.map((run) => run.crossedAfterSec),
      1,
    ),
    spread(
      runs.map((run) => run.startUpSec),
      1,
    ),
    spread(
      runs.map((run) => run.cpu),
      2,
    ),
    missed.length === 0 ? 'ok' : `MISS: ${missed.join(', ')}`,
  ];
}

const HEADINGS = [
  'scenario',
  'system',
  'last ÷ T_min',
  'target',
  'finished',
  'last s',
  'T_min s',
  'origin F',
  'crossed s',
  'start-up s',
  'CPU',
  '',
];

/** The table of all runs, a line for each scenario and system, in the order in which they first came. */
export function table(outcomes: readonly BedOutcome[]): string {
  const groups = Map.groupBy(outcomes, (outcome) => `${outcome.scenario}\n${outcome.system}`);
  const lines = [HEADINGS, ...Array.from(groups.values(), row)];
  const used = HEADINGS.map((_, column) =>
    lines.slice(1).some((line) => !['', '–'].includes(line[column] ?? '')),
  );
  const shown = lines.map((line) => line.filter((_, column) => used[column]));
  const widths = (shown[0] ?? []).map((_, column) =>
    Math.max(...shown.map((line) => (line[column] ?? '').length)),
  );
  return shown
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What one run was, node by node: who was last, and how much of its uplink each used. */
export function details(outcome: BedOutcome): string {
  const lastSec = Math.max(outcome.lastSec ?? 0, ...outcome.nodes.map((node) => node.finishedSec ?? 0));
  const lines = outcome.nodes.map((node) => {
    const use = (node.sentBytes * 8) / (node.up * (lastSec || Infinity));
    return [
      node.name.padEnd(14),
      `up ${(node.up / 1e6).toFixed(0)} Mbit/s`.padEnd(15),
      ending(node).padEnd(16),
      `sent ${(node.sentBytes / 1e6).toFixed(1)} MB (${(100 * use).toFixed(0)} % of its uplink)`.padEnd(42),
      `received ${(node.receivedBytes / 1e6).toFixed(1)} MB`,
    ].join('');
  });
  return lines.map((line) => `    ${line.trimEnd()}`).join('\n');
}

function ending({ role, finishedSec, correct, failure }: NodeOutcome): string {
  if (role !== 'peer') return role;
  if (failure !== undefined) return `failed: ${failure}`;
  if (finishedSec === undefined) return 'not done';
  return correct === true ? `done ${finishedSec.toFixed(2)} s` : `wrong file ${finishedSec.toFixed(2)} s`;
}
