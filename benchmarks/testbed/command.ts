import { parseArgs } from 'node:util';

/** What the command line asked for. */
export interface BedCommand {
  /** Names of scenarios, or paths of scenario files; empty: all of the test bed's. */
  scenarios: string[];
  systems: string[];
  runs: number;
  json: string | undefined;
  /** Scenario settings `key=value`, as the simulator takes them. */
  set: string[];
  /** Print every node of every run. */
  verbose: boolean;
  /** A folder for the nodes' logs, which else vanish with the run. */
  logs: string | undefined;
  help: boolean;
}

export const USAGE = `Usage: npm run bench:testbed -- [scenario…] [options]

Runs scenarios with real processes, each in a network namespace of its own behind a shaped uplink, and prints how
far above the fluid bound the last of them finished. Needs Linux, root, and the programs ip and tc.

  scenario            name of a file in benchmarks/scenarios, or a path; default: all whose name begins with "bed-"
  --runs N            runs of each scenario (default 3)
  --systems A,B       which systems (default shoal); see benchmarks/peers for the others
  --set KEY=VALUE     change a scenario's setting; may be repeated
  --json FILE         write everything, timelines of all interfaces included
  --logs DIR          keep the nodes' logs there
  --verbose           print every node of every run
  --help

Example: npm run bench:testbed -- bed-equal --runs 1 --verbose
`;

/** Reads the command line. @throws Error with a sentence for what makes no sense */
export function parseCommand(args: readonly string[]): BedCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      systems: { type: 'string', default: 'shoal' },
      set: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      logs: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (!/^[1-9]\d{0,2}$/.test(values.runs))
    throw new Error(`--runs ${values.runs} is not a number of runs from 1 to 999`);
  const systems = values.systems.split(',').filter(Boolean);
  if (systems.length === 0) throw new Error('--systems names no system; leave it out for shoal');
  return {
    scenarios: positionals,
    systems,
    runs: Number(values.runs),
    json: values.json,
    set: values.set,
    verbose: values.verbose,
    logs: values.logs,
    help: values.help,
  };
}
