import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

/** One measured quantity: a value for each run of it. */
export interface Line {
  /** Stays the same from version to version: results are compared by it. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly values: readonly number[];
  /** What is asked of the median, in `unit`. */
  readonly asked?: number | undefined;
  /** What it is measured against in the same run, a value for each run, and the ratio asked for. */
  readonly bound?: { readonly name: string; readonly values: readonly number[]; readonly asked?: number };
}

/** What a run of a benchmark leaves behind. */
export interface Result {
  readonly version: 1;
  readonly commit: string;
  readonly date: string;
  readonly machine: {
    readonly cpus: number;
    readonly model: string;
    readonly memoryBytes: number;
    readonly node: string;
    /** The load of the last minute before the first measurement: what else ran. */
    readonly load: number;
  };
  readonly lines: readonly Line[];
}

const RESULTS = join(import.meta.dirname, 'results');

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[(sorted.length >> 1) - 1] ?? Number.NaN)) / 2;
}

/** A number with three figures or so, as a person reads it. */
export function figure(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4);
}

/** One line of text: the median, the spread, and how it stands against its bound and what is asked of it. */
export function describe({ name, unit, better, values, asked, bound }: Line): string {
  const spread = values.length > 1 ? ` (${figure(Math.min(...values))}–${figure(Math.max(...values))})` : '';
  let text = `${name.padEnd(52)} ${figure(median(values)).padStart(7)} ${unit}${spread}`;
  const most = better === 'more' ? '≥' : '≤';
  if (asked !== undefined)
    text += `  = ${figure(median(values) / asked)} of what is asked, ${most} ${figure(asked)}`;
  if (bound) {
    const ratio = figure(median(values) / median(bound.values));
    text += `  = ${ratio} of ${bound.name}, ${figure(median(bound.values))}`;
    if (bound.asked !== undefined) text += ` (asked: ${most} ${bound.asked})`;
  }
  return text;
}

/** Takes lines as they are measured, prints each, and stores them all. */
export class Recorder {
  readonly #lines: Line[] = [];
  readonly #load = loadavg()[0] ?? 0;

  add(line: Line): void {
    this.keep(line);
    process.stdout.write(`${describe(line)}\n`);
  }

  /** Stores a line that is shown in another way. */
  keep(line: Line): void {
    this.#lines.push(line);
  }

  /** @param path default: a new file in `benchmarks/results`, whose name begins with `kind` */
  write(kind: string, path?: string): void {
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    }).trim();
    const date = new Date().toISOString();
    const machine = {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
      node: process.version,
      load: this.#load,
    };
    const result: Result = { version: 1, commit, date, machine, lines: this.#lines };
    const file = path ?? join(RESULTS, `${kind}-${date.replaceAll(':', '-')}.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
    process.stdout.write(`written to ${file}\n`);
  }
}

/** @throws where the file is no result of this version */
export function readResult(path: string): Result {
  const result: unknown = JSON.parse(readFileSync(path, 'utf8'));
  const isResult =
    typeof result === 'object' &&
    result !== null &&
    'version' in result &&
    result.version === 1 &&
    'lines' in result &&
    Array.isArray(result.lines);
  if (!isResult)
    throw new Error(
      `${path} is no result of npm run bench in the present form (version 1); measure that commit again`,
    );
  return result as Result;
}
