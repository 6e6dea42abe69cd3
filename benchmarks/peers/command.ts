import { parseArgs } from 'node:util';

/** What the command line asked for. */
export interface PeersCommand {
  /** Names of scenarios, or paths of scenario files. */
  scenarios: string[];
  /** Empty: shoal and all its peers. */
  systems: string[];
  runs: number;
  /** A run is given up after so many times its bound. */
  limit: number;
  /** Undefined: a file in benchmarks/results, named by the time. */
  json: string | undefined;
  /** Scenario settings `key=value`. */
  set: string[];
  help: boolean;
}

export const USAGE = `Usage: npm run bench:peers -- [scenario…] [options]

Runs the test bed's scenarios with shoal and with the peers beside it, and prints how they did side by side. Needs
what the test bed needs (Linux, root, ip and tc), and for the peers:

  apt-get install python3-libtorrent aria2 transmission-daemon nginx-light curl
  npm ci --prefix benchmarks/peers

A system that is missing is named, with what to install, and left out. One pair over loopback, at full speed, is
measured by npm run bench:peers -- pair (which has its own --help).

  scenario            name of a file in benchmarks/scenarios, or a path
                      (default bed-equal bed-mixed bed-cut)
  --systems A,B       which systems (default all): shoal, libtorrent-tuned, libtorrent-super, libtorrent,
                      libtorrent-tcp, aria2, transmission, webtorrent-rarest, webtorrent, curl
  --runs N            runs of each scenario by each system (default 3)
  --limit X           give a run up after X times the fluid bound (default 8)
  --set KEY=VALUE     change a scenario's setting; may be repeated
  --json FILE         where to write every run (default: a new file in benchmarks/results)
  --help

Example: npm run bench:peers -- bed-equal --systems shoal,aria2 --runs 1
`;

/** The three that tell most: how fast, how fast where uplinks differ, and what is left when the origin is gone. */
const DEFAULT_SCENARIOS = ['bed-equal', 'bed-mixed', 'bed-cut'];

/** Reads the command line. @throws Error with a sentence for what makes no sense */
export function parseCommand(args: readonly string[]): PeersCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      systems: { type: 'string' },
      runs: { type: 'string', default: '3' },
      limit: { type: 'string', default: '8' },
      set: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (!/^[1-9]\d{0,2}$/.test(values.runs))
    throw new Error(`--runs ${values.runs} is not a number of runs from 1 to 999`);
  const limit = Number(values.limit);
  if (!(limit > 1 && limit <= 1000))
    throw new Error(`--limit ${values.limit} is not a number above 1, which is the bound itself, up to 1000`);
  const systems = values.systems?.split(',').filter(Boolean) ?? [];
  if (values.systems !== undefined && systems.length === 0)
    throw new Error('--systems names no system; leave it out for all of them');
  return {
    scenarios: positionals.length > 0 ? positionals : DEFAULT_SCENARIOS,
    systems,
    runs: Number(values.runs),
    limit,
    json: values.json,
    set: values.set,
    help: values.help,
  };
}
