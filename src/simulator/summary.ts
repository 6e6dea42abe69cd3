import { percentile, type Completion, type Report } from './report.ts';

/** One figure over several seeds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** A {@link Completion} over several seeds; `finished` and `peers` count one run's peers. */
export type CompletionSpread = { readonly [Figure in keyof Completion]: Spread };

/** The figures of one scenario over several seeds. */
export interface Summary {
  readonly scenario: string;
  readonly seeds: readonly number[];
  readonly boundMs: number;
  readonly contributors: CompletionSpread;
  readonly groups: Readonly<Record<string, CompletionSpread>>;
  readonly originFiles: Spread;
  readonly fairness: Spread;
  readonly controlShare: Spread;
  readonly wastedShare: Spread;
  readonly chunksLost: Spread;
  readonly cutOff: Spread;
  readonly cheats: { readonly median: Spread; readonly first: Spread } | undefined;
}

/**
 * Puts the reports of one scenario's runs together.
 *
 * @throws RangeError where there is none
 */
export function summarize(reports: readonly Report[]): Summary {
  const [first] = reports;
  if (!first) throw new RangeError('a summary of no reports');
  const over = (figure: (report: Report) => number): Spread => spreadOf(reports.map(figure));
  const groups = Object.keys(first.groups).map((name) => [
    name,
    completions(reports.map((report) => report.groups[name] as Completion)),
  ]);
  return {
    scenario: first.scenario,
    seeds: reports.map((report) => report.seed),
    boundMs: first.boundMs,
    contributors: completions(reports.map((report) => report.contributors)),
    groups: Object.fromEntries(groups) as Record<string, CompletionSpread>,
    originFiles: over((report) => report.originFiles),
    fairness: over((report) => report.fairness),
    controlShare: over((report) => report.controlShare),
    wastedShare: over((report) => report.wastedShare),
    chunksLost: over((report) => report.chunksLost),
    cutOff: over((report) => report.cutOff),
    cheats: first.cheats && {
      median: over((report) => report.cheats?.median ?? NaN),
      first: over((report) => report.cheats?.first ?? NaN),
    },
  };
}

/** The median of an even number of runs is the lower of the two in the middle: a figure that a run had. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: percentile(values, 0.5), least: Math.min(...values), most: Math.max(...values) };
}

function completions(all: readonly Completion[]): CompletionSpread {
  const over = (figure: keyof Completion): Spread => spreadOf(all.map((one) => one[figure]));
  return {
    peers: over('peers'),
    finished: over('finished'),
    median: over('median'),
    p95: over('p95'),
    last: over('last'),
  };
}

/** JSON of reports and summaries: what never happened is `"never"`, for JSON has no Infinity. */
export function toJson(value: unknown): string {
  const plain = (_key: string, item: unknown): unknown =>
    typeof item === 'number' && !Number.isFinite(item) ? (Number.isNaN(item) ? null : 'never') : item;
  return JSON.stringify(value, plain, 2);
}
