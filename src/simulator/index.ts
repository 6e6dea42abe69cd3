/**
 * `shoal/simulator`: runs Shoal's own exchange in a simulated network, so that a crowd of ten thousand fits into
 * a test. docs/simulator.md explains scenarios, reports and traces.
 *
 * @example
 * ```ts
 * import { parseScenario, reportOf, simulate } from 'shoal/simulator';
 *
 * const scenario = parseScenario(
 *   `
 * file: 8 MiB
 * groups:
 *   - { name: origin, role: origin, up: 100 Mbit/s }
 *   - { name: peers, count: 10, up: 20 Mbit/s, down: 100 Mbit/s }
 * `,
 *   'crowd.yaml',
 * );
 * const report = reportOf(await simulate(scenario, { seed: 1 }));
 * console.log(`the last of ${report.contributors.peers} at ${report.contributors.last} times the bound`);
 * ```
 * @module
 */
export { fluidBoundMs } from './fluid-bound.ts';
export { parseScenario } from './parse-scenario.ts';
export { plotSvg } from './report-svg.ts';
export { formatTable, isReached, type TableRow, type Target } from './report-table.ts';
export { reportOf, type Completion, type Report } from './report.ts';
export { replayTrace, type Replay } from './replay-trace.ts';
export { simulate } from './simulate.ts';
export { summarize, toJson, type CompletionSpread, type Spread, type Summary } from './summary.ts';
export type { Outcome, PeerOutcome, RunOptions, Sample } from './outcome.ts';
export type { Group, Moment, NetworkModel, Scenario, ScenarioEvent, Strategy } from './scenario.ts';
export {
  ShoalError,
  type DialFailure,
  type DialReason,
  type Fault,
  type SearchAttempt,
  type ShoalErrorOptions,
} from '../errors.ts';
