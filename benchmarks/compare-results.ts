import { figure, median, type Line, type Result } from './result.ts';

/** How a quantity has moved. `unclear`: by more than the tolerance, but runs of both sides overlap. */
export type Verdict = 'worse' | 'better' | 'same' | 'unclear' | 'gone' | 'new';

export interface Comparison {
  readonly name: string;
  /** What is compared: the quantity itself, or its ratio to a bound of the same run. */
  readonly of: string;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** By how much the median is better (negative: worse), as a share of the median before. */
  readonly gain: number;
  readonly verdict: Verdict;
}

/** A change of the median below this is noise. */
export const TOLERANCE = 0.05;

/** Fewer runs than this show no spread: then only a change of several times the tolerance counts. */
const RUNS_WITH_SPREAD = 3;
const WITHOUT_SPREAD = 4;

/**
 * Holds two results against each other, line by line. A line that has a bound is compared by its ratio to that, run by
 * run, so that a busier or slower machine moves both. It is worse or better where the median has moved by more than the
 * tolerance and the runs of both sides do not overlap.
 */
export function compareResults(before: Result, after: Result, tolerance = TOLERANCE): Comparison[] {
  const earlier = new Map(before.lines.map((line) => [keyOf(line), line]));
  const found: Comparison[] = [];
  for (const line of after.lines) {
    const old = earlier.get(keyOf(line));
    earlier.delete(keyOf(line));
    found.push(
      old
        ? compare(line, comparable(old), comparable(line), tolerance)
        : { ...labelsOf(line), before: [], after: comparable(line), gain: 0, verdict: 'new' },
    );
  }
  for (const line of earlier.values())
    found.push({ ...labelsOf(line), before: comparable(line), after: [], gain: 0, verdict: 'gone' });
  return found;
}

/** A table of comparisons, the worst first. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const sorted = comparisons.toSorted((a, b) => rankOf(a) - rankOf(b) || a.gain - b.gain);
  const rows = sorted.map(({ name, of, before, after, gain, verdict }) => [
    verdict === 'worse' ? 'WORSE' : verdict,
    before.length > 0 && after.length > 0 ? percent(gain) : '',
    spread(before),
    spread(after),
    of,
    name,
  ]);
  const all = [['', 'gain', 'before', 'after', 'in', 'what'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function compare(
  line: Line,
  before: readonly number[],
  after: readonly number[],
  tolerance: number,
): Comparison {
  const sign = line.better === 'more' ? 1 : -1;
  const change = (sign * (median(after) - median(before))) / Math.abs(median(before));
  // Nothing before: any amount of something is no share of it.
  const gain = median(after) === median(before) ? 0 : change;
  const hasSpread = Math.min(before.length, after.length) >= RUNS_WITH_SPREAD;
  const isNoise = Math.abs(gain) <= tolerance * (hasSpread ? 1 : WITHOUT_SPREAD);
  let verdict: Verdict = 'same';
  if (!isNoise) verdict = overlap(before, after) ? 'unclear' : gain < 0 ? 'worse' : 'better';
  return { ...labelsOf(line), before, after, gain, verdict };
}

function overlap(a: readonly number[], b: readonly number[]): boolean {
  return Math.min(...a) <= Math.max(...b) && Math.min(...b) <= Math.max(...a);
}

/** What of a line can be compared: ratios to its bound, run by run, where it has one. */
function comparable({ values, bound }: Line): readonly number[] {
  if (!bound) return values;
  const typical = median(bound.values);
  return values.map((value, run) => value / (bound.values[run] ?? typical));
}

function labelsOf({ name, unit, bound }: Line): { name: string; of: string } {
  return { name, of: bound ? `of ${bound.name}` : unit };
}

function keyOf({ name, unit, bound }: Line): string {
  return JSON.stringify([name, unit, bound?.name]);
}

function rankOf({ verdict }: Comparison): number {
  return ['worse', 'gone', 'unclear', 'better', 'same', 'new'].indexOf(verdict);
}

function percent(gain: number): string {
  if (!Number.isFinite(gain)) return '';
  return `${gain > 0 ? '+' : ''}${(gain * 100).toFixed(1)} %`;
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '';
  if (values.length === 1) return figure(values[0] as number);
  return `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}
