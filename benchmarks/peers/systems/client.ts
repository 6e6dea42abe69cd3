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
  /** `settings` of libtorrent, options of WebTorrent's `add`. */
  settings: Readonly<Record<string, string | number | boolean>>;
  /** libtorrent's origin shows one piece at a time to each peer (BEP 16). */
  superSeeding: boolean;
}

/** This program's configuration. */
export function clientConfig(): ClientConfig {
  return JSON.parse(process.argv[2] ?? '') as ClientConfig;
}

/** Tells the test bed a line: `ready`, `done`, or `failed` and why. */
export function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Starts the client that this program drives. It is killed when this program is, and its end is told as a failure. */
export function runClient(command: string, args: readonly string[]): void {
  const client = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  client.on('exit', (code, signal) => tell(`failed ${command} ended with ${signal ?? `exit code ${code}`}`));
}

/** Calls `begin` when the test bed says `go`, and tells when that fails. */
export function onGo(begin: () => Promise<void>): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'go') begin().catch((error: unknown) => tell(`failed ${String(error)}`));
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
