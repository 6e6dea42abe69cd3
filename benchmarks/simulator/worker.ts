import { parentPort } from 'node:worker_threads';
import { simulate, type Scenario } from '../../src/simulator/index.ts';

/** One run, as the pool sends it. */
export interface Task {
  readonly scenario: Scenario;
  readonly seed: number;
}

parentPort?.on('message', ({ scenario, seed }: Task) => {
  simulate(scenario, { seed }).then(
    (outcome) => parentPort?.postMessage({ outcome }),
    (error: unknown) => parentPort?.postMessage({ error }),
  );
});
