import { parseArgs } from 'node:util';

/** What the command line asked for. */
export interface PairCommand {
  /** Empty: all of them. */
  systems: string[];
  repeats: number;
  mib: number;
  /** A transfer is given up after so many seconds. */
  limitSec: number;
  /** Undefined: a file in benchmarks/results, named by the time. */
  json: string | undefined;
  help: boolean;
}

export const USAGE = `Usage: npm run bench:peers -- pair [options]

Moves one file of random bytes from a process to another over loopback: by Shoal, and by what else there is. Prints
speed, CPU time and memory of each beside Shoal's, and stores a result that npm run bench:compare holds against another.
Needs Linux and root, for a network namespace in which nothing else is, openssl, and for the peers:

  apt-get install python3-libtorrent aria2 transmission-daemon nginx-light curl
  npm ci --prefix benchmarks/peers

A system that is missing is named, with what to install, and left out. The clock runs from the word to the receiver,
when both processes are up and the sender is ready to serve, until the receiver says that the file is there; its
SHA-256 is compared after that. The systems take turns, Shoal first.

  --systems A,B   which systems, besides Shoal (default all): curl, curl-tls, libtorrent, aria2, transmission, webtorrent,
                  hyperdrive, helia, iroh
  --repeats N     transfers of each (default 5)
  --mib N         the file's size (default 1024)
  --limit SEC     give a transfer up, and that system (default 100)
  --json FILE     where the result goes (default: a new file in benchmarks/results)
  --help

Files lie on tmpfs; SHOAL_BENCH_DIR names another folder.
`;

/** Reads what stands after `pair`. @throws Error with a sentence for what makes no sense */
export function parsePairCommand(args: readonly string[]): PairCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      systems: { type: 'string' },
      repeats: { type: 'string', default: '5' },
      mib: { type: 'string', default: '1024' },
      limit: { type: 'string', default: '100' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const whole = (name: 'repeats' | 'mib' | 'limit'): number => {
    if (!/^[1-9]\d{0,5}$/.test(values[name]))
      throw new Error(`--${name} ${values[name]} is not a whole number above 0`);
    return Number(values[name]);
  };
  const systems = values.systems?.split(',').filter(Boolean) ?? [];
  if (values.systems !== undefined && systems.length === 0)
    throw new Error('--systems names no system; leave it out for all of them');
  return {
    systems,
    repeats: whole('repeats'),
    mib: whole('mib'),
    limitSec: whole('limit'),
    json: values.json,
    help: values.help,
  };
}
