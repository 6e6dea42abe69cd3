/** `npm run bench:sim`: see `USAGE`. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  formatTable,
  isReached,
  parseScenario,
  plotSvg,
  reportOf,
  ShoalError,
  summarize,
  toJson,
  type Outcome,
  type Scenario,
} from '../src/simulator/index.ts';
import { runAll } from './simulator/run-all.ts';
import { SUITE, type Entry } from './simulator/suite.ts';
import type { Task } from './simulator/worker.ts';

const USAGE = `npm run bench:sim -- [scenario ...] [options]

Runs scenarios in the simulator and prints a table: completion in multiples of the fluid bound, and below each
line what issue 3 asks for. A scenario is a file, a name in benchmarks/scenarios ("mixed"), or a label of the
suite ("mixed 100"). Without any: the suite, but for what takes minutes a seed.

  --all               also what takes minutes a seed (1,000 and 10,000 peers, every strategy)
  --seeds 101-103     which seeds (default: 101-103; 1-99 are for tuning)
  --set key=value     change every scenario, such as peers=100, network.loss=0, groups.origin.up="50 Mbit/s"
  --json FILE         write all figures of all runs
  --svg FILE          write a plot of each scenario's first seed
`;

const SCENARIOS = join(import.meta.dirname, 'scenarios');
const DEFAULT_SEEDS = '101-103';

/** One line of the table to be. */
interface Row {
  readonly entry: Entry;
  readonly scenario: Scenario;
  readonly outcomes: Outcome[];
}

function readRows(names: readonly string[], set: readonly string[], isAll: boolean): Row[] {
  const entries =
    names.length > 0 ? names.flatMap(entriesOf) : SUITE.filter((entry) => isAll || !entry.isLong);
  return entries.map((entry) => {
    const path = pathOf(entry.file);
    const scenario = parseScenario(readFileSync(path, 'utf8'), basename(path), [...entry.set, ...set]);
    // Other settings make it another scenario: what was asked of the one says nothing about the other.
    const targets = set.length > 0 ? [] : entry.targets;
    return { entry: { ...entry, label: [entry.label, ...set].join(' '), targets }, scenario, outcomes: [] };
  });
}

function pathOf(name: string): string {
  const path = /[/\\]|\.ya?ml$/.test(name) ? name : join(SCENARIOS, `${name}.yaml`);
  if (existsSync(path)) return path;
  const labels = SUITE.map((entry) => `"${entry.label}"`);
  const files = readdirSync(SCENARIOS).map((file) => basename(file, '.yaml'));
  throw usageError(
    `there is no scenario "${name}"; there are ${[...labels, ...files].join(', ')}, and files (a/b.yaml)`,
  );
}

function entriesOf(name: string): Entry[] {
  const labelled = SUITE.filter((entry) => entry.label === name);
  return labelled.length > 0 ? labelled : [{ label: name, file: name, set: [], targets: [] }];
}

/** `7`, `1-5` or `1,4,9`. */
function parseSeeds(text: string): number[] {
  const seeds = text.split(',').flatMap((part) => {
    const [, from, to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim()) ?? [];
    const count = Number(to) - Number(from) + 1;
    if (!(count >= 1 && count <= 10_000)) throw usageError(`--seeds ${text}: write 7, 1-5 or 1,4,9`);
    return Array.from({ length: count }, (_, i) => Number(from) + i);
  });
  return [...new Set(seeds)];
}

function usageError(message: string): ShoalError {
  return new ShoalError('ERR_USAGE', message);
}

function tableOf(rows: readonly Row[]): string {
  return formatTable(
    rows
      .filter((row) => row.outcomes.length > 0)
      .map(({ entry, outcomes }) => ({
        label: entry.label,
        targets: entry.targets,
        summary: summarize(outcomes.map(reportOf)),
      })),
  );
}

function jsonOf(rows: readonly Row[]): string {
  const results = rows
    .filter((row) => row.outcomes.length > 0)
    .map(({ entry, scenario, outcomes }) => {
      const reports = outcomes.map(reportOf);
      const summary = summarize(reports);
      const targets = entry.targets.map((target) => ({ ...target, reached: isReached(summary, target) }));
      const traceHashes = outcomes.map((outcome) => outcome.traceHash);
      return { label: entry.label, scenario, summary, targets, reports, traceHashes };
    });
  return toJson({ node: process.version, cpu: cpus()[0]?.model, results });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      all: { type: 'boolean', default: false },
      seeds: { type: 'string', default: DEFAULT_SEEDS },
      set: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      svg: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const seeds = parseSeeds(values.seeds);
  const rows = readRows(positionals, values.set, values.all);
  const owners = new Map<Task, Row>();
  for (const row of rows) for (const seed of seeds) owners.set({ scenario: row.scenario, seed }, row);
  const stop = new AbortController();
  process.once('SIGINT', () =>
    stop.abort(new ShoalError('ERR_INTERRUPTED', 'interrupted: what is done follows')),
  );
  const startedMs = performance.now();
  let done = 0;
  const tell = (what: string, task: Task): void => {
    const label = owners.get(task)?.entry.label ?? task.scenario.name;
    const sec = ((performance.now() - startedMs) / 1000).toFixed(0);
    process.stderr.write(
      `${sec.padStart(5)} s  ${done}/${owners.size}  ${what} ${label}, seed ${task.seed}\n`,
    );
  };
  try {
    await runAll(
      [...owners.keys()],
      stop.signal,
      (task) => tell('runs', task),
      (task, outcome) => {
        done++;
        owners.get(task)?.outcomes.push(outcome);
        tell('done', task);
      },
    );
  } finally {
    for (const row of rows) row.outcomes.sort((a, b) => a.seed - b.seed);
    if (done > 0) process.stdout.write(`${tableOf(rows)}\n`);
    const plotted = rows.flatMap((row) => row.outcomes.slice(0, 1));
    if (values.json !== undefined) writeFileSync(values.json, `${jsonOf(rows)}\n`);
    if (values.svg !== undefined) writeFileSync(values.svg, plotSvg(plotted));
  }
}

try {
  await main();
} catch (error) {
  const isUsage =
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof ShoalError) && !isUsage) throw error;
  process.stderr.write(`bench:sim: ${(error as Error).message}\n${isUsage ? `\n${USAGE}` : ''}`);
  process.exitCode = error instanceof ShoalError && error.code === 'ERR_INTERRUPTED' ? 130 : 2;
}
