import type { Spread, Summary } from './summary.ts';

/** A figure that a scenario has to reach: at most, or at least. */
export interface Target {
  /** Which figure: `last` and `finished` are the contributors' (finished: as a share of them). */
  readonly figure: 'last' | 'finished' | 'control' | 'lost' | 'cheats' | 'firstCheat';
  readonly bound: 'at most' | 'at least';
  readonly value: number;
}

/** One scenario with what it has to reach. */
export interface TableRow {
  readonly label: string;
  readonly summary: Summary;
  readonly targets: readonly Target[];
}

interface Column {
  readonly title: string;
  readonly text: (summary: Summary) => string;
  readonly figure?: Target['figure'];
}

const COLUMNS: readonly Column[] = [
  { title: 'seeds', text: ({ seeds }) => String(seeds.length) },
  { title: 'bound', text: ({ boundMs }) => `${(boundMs / 1000).toFixed(1)} s` },
  { title: 'median', text: ({ contributors }) => ratio(contributors.median.median) },
  { title: 'p95', text: ({ contributors }) => ratio(contributors.p95.median) },
  { title: 'last', text: ({ contributors }) => spread(contributors.last, ratio), figure: 'last' },
  {
    title: 'done',
    text: ({ contributors: { finished, peers } }) => `${finished.least}/${peers.median}`,
    figure: 'finished',
  },
  { title: 'origin', text: ({ originFiles }) => `${originFiles.median.toFixed(2)} F` },
  { title: 'fair', text: ({ fairness }) => ratio(fairness.median) },
  { title: 'control', text: ({ controlShare }) => spread(controlShare, percent), figure: 'control' },
  { title: 'wasted', text: ({ wastedShare }) => percent(wastedShare.median) },
  { title: 'lost', text: ({ chunksLost }) => spread(chunksLost, String), figure: 'lost' },
  { title: 'cheats', text: ({ cheats }) => (cheats ? spread(cheats.median, ratio) : ''), figure: 'cheats' },
  { title: 'first', text: ({ cheats }) => (cheats ? spread(cheats.first, ratio) : ''), figure: 'firstCheat' },
];

/**
 * Summaries as a text table: a line each, the targets below, the misses marked. Completion is in multiples of
 * the bound; figures are medians over the seeds, and those that are judged also show from where to where they went.
 */
export function formatTable(rows: readonly TableRow[]): string {
  const lines = rows.flatMap(({ label, summary, targets }) => {
    const figures = [label, ...COLUMNS.map((column) => column.text(summary))];
    const judged = COLUMNS.map(({ figure }) => targets.filter((target) => target.figure === figure));
    if (judged.every((found) => found.length === 0)) return [figures];
    const told = judged.map((found) => found.map((target) => judge(summary, target)).join(' '));
    return [figures, ['', ...told]];
  });
  const all = [['scenario', ...COLUMNS.map((column) => column.title)], ...lines];
  const widths = (all[0] as string[]).map((_, i) =>
    Math.max(...all.map((line) => (line[i] as string).length)),
  );
  return all
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join('  ')
        .trimEnd(),
    ) // prettier-ignore
    .join('\n');
}

/** Whether the figure reaches its target in every seed. */
export function isReached(summary: Summary, { figure, bound, value }: Target): boolean {
  const spread = figureOf(summary, figure);
  return bound === 'at most' ? spread.most <= value : spread.least >= value;
}

function judge(summary: Summary, target: Target): string {
  const sign = target.bound === 'at most' ? '≤' : '≥';
  const value =
    target.figure === 'control' || target.figure === 'finished' ? percent(target.value) : target.value;
  return `${isReached(summary, target) ? 'ok' : 'MISS'} ${sign}${value}`;
}

function figureOf(summary: Summary, figure: Target['figure']): Spread {
  const { contributors, cheats } = summary;
  const none: Spread = { median: NaN, least: NaN, most: NaN };
  switch (figure) {
    case 'last':
      return contributors.last;
    case 'finished': {
      const share = (count: number): number => count / contributors.peers.median;
      const { median, least, most } = contributors.finished;
      return { median: share(median), least: share(least), most: share(most) };
    }
    case 'control':
      return summary.controlShare;
    case 'lost':
      return summary.chunksLost;
    case 'cheats':
      return cheats?.median ?? none;
    case 'firstCheat':
      return cheats?.first ?? none;
  }
}

function spread({ median, least, most }: Spread, text: (value: number) => string): string {
  const [middle, from, to] = [text(median), text(least), text(most)];
  return from === to ? middle : `${middle} (${from}–${to})`;
}

function ratio(value: number): string {
  if (Number.isNaN(value)) return '–';
  return Number.isFinite(value) ? value.toFixed(3) : 'never';
}

function percent(value: number): string {
  const text = (value * 100).toPrecision(2);
  return `${Number(text)} %`;
}
