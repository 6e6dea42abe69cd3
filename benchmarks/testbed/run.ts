/** `npm run bench:testbed`: see `USAGE` in command.ts. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import { USAGE, parseCommand, type BedCommand } from './command.ts';
import type { BedOutcome } from './outcome.ts';
import { planOf } from './plan.ts';
import { details, table } from './report.ts';
import { missing, thisMachine } from './requirements.ts';
import { runScenario } from './run-scenario.ts';
import { sweep } from './sweep.ts';
import { findSystems } from './systems.ts';

const SCENARIOS = join(import.meta.dirname, '..', 'scenarios');

function readScenarios({ scenarios, set }: BedCommand): Scenario[] {
  const all = readdirSync(SCENARIOS).filter((file) => file.startsWith('bed-'));
  const files = scenarios.length > 0 ? scenarios : all.map((file) => join(SCENARIOS, file));
  return files.map((file) => {
    const path = /[/.]/.test(file) ? file : join(SCENARIOS, `${file}.yaml`);
    return parseScenario(readFileSync(path, 'utf8'), basename(path), set);
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Says what is missing here, for all scenarios at once, before anything is built. */
function check(scenarios: readonly Scenario[]): void {
  const plans = scenarios.map(planOf);
  const bytes = scenarios.map((scenario, i) => scenario.fileBytes * ((plans[i]?.members.length ?? 0) + 1));
  const sentences = missing(thisMachine(), {
    delayLine: plans.some((plan) => plan.rttMs > 0),
    bytes: Math.max(...bytes),
  });
  if (sentences.length > 0) throw new Error(`the test bed cannot run here:\n  ${sentences.join('\n  ')}`);
}

async function bench(command: BedCommand, signal: AbortSignal): Promise<void> {
  const scenarios = readScenarios(command);
  const systems = await findSystems(command.systems);
  check(scenarios);
  for (const system of systems) print(`${system.name}: ${await system.version()}`);
  const swept = await sweep();
  if (swept.namespaces > 0)
    print(`swept what an earlier run left: ${swept.namespaces} namespaces, ${swept.processes} processes`);
  const onWait = (): void => print('waits for another test bed on this machine to end');
  const outcomes: BedOutcome[] = [];
  try {
    for (const scenario of scenarios) {
      for (const note of planOf(scenario).notes) print(`${scenario.name}: ${note}`);
      for (const system of systems) {
        for (let run = 1; run <= command.runs; run++) {
          const outcome = await runScenario(scenario, system, { run, signal, logs: command.logs, onWait });
          outcomes.push(outcome);
          print(line(outcome));
          if (command.verbose) print(details(outcome));
        }
      }
    }
  } finally {
    if (outcomes.length > 0) print(`\n${table(outcomes)}`);
    if (command.json !== undefined) writeFileSync(command.json, JSON.stringify(outcomes));
  }
}

function line(outcome: BedOutcome): string {
  const { scenario, system, run, lastSec, boundSec, originFiles, loadBefore, cpu, ownCpu } = outcome;
  const last =
    lastSec === undefined
      ? 'not all finished'
      : `last ${lastSec.toFixed(2)} s = ${(lastSec / boundSec).toFixed(3)} × T_min`;
  return `${scenario}, ${system}, run ${run}: ${last}; origin ${originFiles.toFixed(3)} F; CPU ${cpu.toFixed(2)} (its own ${ownCpu.toFixed(2)}), load before ${loadBefore.toFixed(1)}`;
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}; everything is taken down`)));
}
try {
  const command = parseCommand(process.argv.slice(2));
  if (command.help) print(USAGE);
  else await bench(command, stop.signal);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
