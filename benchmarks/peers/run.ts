/** `npm run bench:peers`: see `USAGE` in command.ts; `npm run bench:peers -- pair`: in pair/command.ts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { fluidBoundMs } from '../../src/simulator/fluid-bound.ts';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import { planOf } from '../testbed/plan.ts';
import { missing, thisMachine } from '../testbed/requirements.ts';
import { runScenario } from '../testbed/run-scenario.ts';
import { shoalSystem } from '../testbed/shoal-system.ts';
import { sweep } from '../testbed/sweep.ts';
import type { System } from '../testbed/system.ts';
import { USAGE, parseCommand, type PeersCommand } from './command.ts';
import { comparison, type PeerOutcome } from './comparison.ts';
import { pairBenchmark } from './pair/run.ts';
import { present } from './present.ts';
import { peerSystems } from './systems.ts';

const BENCHMARKS = join(import.meta.dirname, '..');

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readScenario(file: string, command: PeersCommand): Scenario {
  const path = /[/.]/.test(file) ? file : join(BENCHMARKS, 'scenarios', `${file}.yaml`);
  const scenario = parseScenario(readFileSync(path, 'utf8'), basename(path), command.set);
  return { ...scenario, limitSec: (command.limit * fluidBoundMs(scenario)) / 1000 };
}

function check(scenarios: readonly Scenario[]): void {
  const plans = scenarios.map(planOf);
  const sentences = missing(thisMachine(), {
    delayLine: plans.some((plan) => plan.rttMs > 0),
    bytes: Math.max(...scenarios.map(({ fileBytes }, i) => fileBytes * (plans[i]?.members.length ?? 0))),
  });
  if (sentences.length > 0) throw new Error(`the test bed cannot run here:\n  ${sentences.join('\n  ')}`);
}

async function bench(command: PeersCommand, signal: AbortSignal): Promise<void> {
  const scenarios = command.scenarios.map((file) => readScenario(file, command));
  check(scenarios);
  const systems = await present([shoalSystem, ...peerSystems], command.systems, print);
  if (systems.length === 0)
    throw new Error('none of the systems asked for runs here; install one as said above');
  await sweep();
  const outcomes: PeerOutcome[] = [];
  try {
    for (const scenario of scenarios) {
      for (const system of systems) {
        for (let run = 1; run <= command.runs; run++) {
          const outcome = await once(scenario, system, run, signal);
          if (outcome) outcomes.push(outcome);
        }
      }
    }
  } finally {
    if (outcomes.length > 0) report(scenarios, outcomes, command.json);
  }
}

/** A system that fails to start spoils its own line, not the others'. */
async function once(
  scenario: Scenario,
  system: System,
  run: number,
  signal: AbortSignal,
): Promise<PeerOutcome | undefined> {
  try {
    const { timeline: _, ...outcome } = await runScenario(scenario, system, { run, signal });
    const { lastSec, boundSec, originFiles, cpu, loadBefore } = outcome;
    const last = lastSec === undefined ? 'not all done' : `${(lastSec / boundSec).toFixed(3)} × T_min`;
    print(
      `${scenario.name}, ${system.name}, run ${run}: ${last}, origin sent ${originFiles.toFixed(2)} F, CPU ${cpu.toFixed(2)}, load before ${loadBefore.toFixed(1)}`,
    );
    return { ...outcome, limitSec: scenario.limitSec };
  } catch (error) {
    if (signal.aborted) throw error;
    print(
      `${scenario.name}, ${system.name}, run ${run}: failed. ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
}

function report(
  scenarios: readonly Scenario[],
  outcomes: readonly PeerOutcome[],
  json: string | undefined,
): void {
  for (const { name, about } of scenarios) {
    const runs = outcomes.filter((outcome) => outcome.scenario === name);
    if (runs.length === 0) continue;
    print(`\n${name}: ${about ?? ''} (T_min ${runs[0]?.boundSec.toFixed(2)} s)\n${comparison(runs)}`);
  }
  const folder = join(BENCHMARKS, 'results');
  mkdirSync(folder, { recursive: true });
  const path = json ?? join(folder, `peers-${new Date().toISOString().replaceAll(':', '-')}.json`);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: BENCHMARKS,
    encoding: 'utf8',
  }).trim();
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version };
  writeFileSync(path, `${JSON.stringify({ commit, machine, outcomes }, undefined, 2)}\n`);
  print(`\nwritten to ${path}`);
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}; everything is taken down`)));
}
try {
  const args = process.argv.slice(2);
  if (args[0] === 'pair') await pairBenchmark(args.slice(1), stop.signal);
  else {
    const command = parseCommand(args);
    if (command.help) print(USAGE);
    else await bench(command, stop.signal);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
