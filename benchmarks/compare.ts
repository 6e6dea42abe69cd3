/** `npm run bench:compare`: see `USAGE`. */
import { parseArgs } from 'node:util';
import { compareResults, comparisonTable, TOLERANCE } from './compare-results.ts';
import { readResult, type Result } from './result.ts';

const USAGE = `npm run bench:compare -- OLD NEW [--tolerance PERCENT]

Holds two results of npm run bench, bench:footprint or bench:peers -- pair (benchmarks/results/*.json) against each
other. What was measured against a bound in its own run is compared by its ratio to that. A line is WORSE, or better,
where its median has moved by more than the tolerance (default ${TOLERANCE * 100} %) and the runs of both sides do not overlap;
"unclear" where they do: measure again with more repeats. Of lines with fewer than three runs only four times the
tolerance counts.

Exit code: 0 nothing is worse, 1 something is worse or was not measured any more, 2 the results cannot be compared.
`;

function header(label: string, { commit, date, machine }: Result): string {
  return `${label}: ${commit}, ${date}, ${machine.cpus} × ${machine.model}, Node ${machine.node}, load ${machine.load.toFixed(1)}\n`;
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tolerance: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  const [oldPath, newPath] = positionals;
  const tolerance = values.tolerance === undefined ? TOLERANCE : Number(values.tolerance) / 100;
  if (values.help) process.stdout.write(USAGE);
  else if (oldPath === undefined || newPath === undefined || positionals.length > 2 || !(tolerance >= 0))
    throw new Error(USAGE);
  else {
    const before = readResult(oldPath);
    const after = readResult(newPath);
    const comparisons = compareResults(before, after, tolerance);
    process.stdout.write(header('before', before) + header('after ', after));
    if (before.machine.model !== after.machine.model || before.machine.cpus !== after.machine.cpus)
      process.stdout.write('the machines differ: only lines with a bound can be compared\n');
    process.stdout.write(`${comparisonTable(comparisons)}\n`);
    const isWorse = comparisons.some(({ verdict }) => verdict === 'worse' || verdict === 'gone');
    process.exitCode = isWorse ? 1 : 0;
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
