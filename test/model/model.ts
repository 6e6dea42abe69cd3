/**
 * `npm run model -- 1-500 [--verbose] [--sabotage wrong-byte|lost-chunk]`: plays the worlds of these seeds in virtual time (see
 * `runSeed`), and tells of each in which something went wrong; `--verbose` prints all that happens. A seed gives the same run each time.
 * With `--sabotage` one node does wrong, which has to be seen: the checker's own test.
 */
import { parseArgs } from 'node:util';
import type { ActionName } from './chaos.ts';
import { SABOTAGES } from './model-disk.ts';
import { makeCast } from './model-files.ts';
import { VirtualTime } from './virtual-time.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: 'boolean', default: false }, sabotage: { type: 'string' } },
});
const [from = 1, to = from] = (positionals[0] ?? '1-20').split('-').map(Number);
const sabotage = SABOTAGES.find((kind) => kind === values.sabotage);
if (!(from <= to) || values.sabotage !== sabotage)
  throw new Error('usage: npm run model -- FROM-TO [--verbose] [--sabotage wrong-byte|lost-chunk]');

const cast = await makeCast();
const time = new VirtualTime();
using _installed = time.install();
// What it imports must find the clock replaced.
const { runSeed } = await import('./run-seed.ts');

const how = sabotage ? ` --sabotage ${sabotage}` : '';
const counts = new Map<ActionName, number>();
let failed = 0;
for (let seed = from; seed <= to; seed++) {
  const failures = await runSeed({
    seed,
    time,
    cast,
    sabotage,
    onLog: values.verbose ? (line) => console.log(line) : undefined,
    onAct: (name) => counts.set(name, (counts.get(name) ?? 0) + 1),
  });
  if (failures.length === 0) continue;
  failed++;
  console.log(`seed ${seed}: ${failures[0]}\n  its log: npm run model -- ${seed}${how} --verbose`);
}
console.log(`${to - from + 1} seeds, ${failed} failed`);
console.log([...counts].map(([name, count]) => `${name}: ${count}`).join(', '));
process.exitCode = failed > 0 ? 1 : 0;
