/** Simulates a flash crowd whose origin goes away, and holds it against the fluid bound. */
import { parseScenario, reportOf, simulate } from 'shoal/simulator';

const scenario = parseScenario(
  `
file: 64 MiB
groups:
  - { name: origin, role: origin, up: 100 Mbit/s }
  - { name: peers, count: 10, up: 20 Mbit/s, down: 100 Mbit/s }
events:
  - { cut: origin, at: 1.2 files }
`,
  'crowd.yaml',
);
const outcome = await simulate(scenario, { seed: 1 });
const { contributors, originFiles } = reportOf(outcome);
console.log(`the origin was cut after ${originFiles.toFixed(1)} files`);
console.log(`${contributors.finished} of ${contributors.peers} finished`);
console.log(`the last at ${contributors.last.toFixed(2)} times the least time possible`);
