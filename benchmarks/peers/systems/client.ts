/** What the client programs in this folder share: they are told a configuration and `go`, and tell in lines. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { createInterface } from 'node:readline';

/** The argument of a client program, as JSON. */
export interface ClientConfig {
  role: 'origin' | 'peer';
  /** Where the torrent file lies. */
  torrent: string;
  /** The folder that holds, or is to hold, the torrent's file. */
  folder: string;
  freeRider: boolean;
  /** Where it listens for peers. */
  port: number;
  /** Where a client listens that is driven from outside. */
  controlPort: number;
  /** `settings` of libtorrent, options of WebTorrent's `add`, long options of aria2. */
  settings: Readonly<Record<string, string | number | boolean>>;
  /** libtorrent's origin shows one piece at a time to each peer (BEP 16). */
  superSeeding: boolean;
  /** libtorrent's origin hashes its file before it serves, and not each piece when that is first asked for. */
  checkFirst: boolean;
}

/** The argument of a program of the pair that is no BitTorrent client, as JSON. */
export interface PairConfig {
  role: 'origin' | 'peer';
  /** The file that the origin shares, or that the peer makes. */
  path: string;
  /** An empty folder of this client's own. */
  folder: string;
}

/** This program's configuration. */
export function clientConfig(): ClientConfig {
  return JSON.parse(process.argv[2] ?? '') as ClientConfig;
}

/** This program's configuration, where it is of the pair. */
export function pairConfig(): PairConfig {
  return JSON.parse(process.argv[2] ?? '') as PairConfig;
}

/** Tells whoever started this program a line: `ready`, with how it is reached if need be, `done`, or `failed` and why. */
export function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Keeps this program up until it is killed, where nothing else does. */
export function stayUp(): void {
  process.stdin.resume();
}

/** Starts the client that this program drives. It is killed when this program is, and its end is told as a failure. */
export function runClient(command: string, args: readonly string[]): void {
  const client = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  client.on('exit', (code, signal) => tell(`failed ${command} ended with ${signal ?? `exit code ${code}`}`));
}

/** Calls `begin` at the line `go`, with what follows that word, and tells when that fails. */
export function onGo(begin: (contact: string) => Promise<void>): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [word, ...rest] = line.split(' ');
    if (word === 'go') begin(rest.join(' ')).catch((error: unknown) => tell(`failed ${String(error)}`));
  });
}

/** How often, and how long apart, a program that is starting is asked whether it is there: 10 s altogether. */
const TRIES = 200;
const TRY_EVERY_MS = 50;

/** The first answer of `ask` that is not an error. */
export async function retry<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries === TRIES) throw error;
    }
    await delay(TRY_EVERY_MS);
  }
}
