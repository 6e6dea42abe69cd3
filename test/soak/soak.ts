/**
 * `npm run soak -- [--seed N] [--rounds N] [--keep-going] [--keep]`: rounds of real processes in trouble (see `playRound`), until they are all
 * played or one goes wrong. A round that went wrong leaves its folder, with what each process said;
 * `--keep` leaves all folders.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { playRound } from './round.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '20' },
    'keep-going': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

for (let n = 0; n < Number(values.rounds); n++) {
  const seed = Number(values.seed) + n;
  const folder = await mkdtemp(join(tmpdir(), `shoal-soak-${seed}-`));
  const started = performance.now();
  const { story, faults } = await playRound(seed, folder);
  console.log(`seed ${seed}, ${((performance.now() - started) / 1000).toFixed(0)} s: ${story}`);
  if (faults.length === 0 && !values.keep) {
    await rm(folder, { recursive: true, force: true });
    continue;
  }
  for (const fault of faults.slice(0, 10)) console.log(`  WRONG: ${fault}`);
  console.log(`  what each said is in ${folder}`);
  if (faults.length === 0) continue;
  process.exitCode = 1;
  if (!values['keep-going']) break;
}
