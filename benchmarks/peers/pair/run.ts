/** `npm run bench:peers -- pair`: see `USAGE` in command.ts. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeRandomFile } from '../../random-file.ts';
import { figure, Recorder } from '../../result.ts';
import { present } from '../present.ts';
import { parsePairCommand, USAGE, type PairCommand } from './command.ts';
import { ADDRESS, Pair, type PairContent, type PairSystem, type Transfer } from './pair.ts';
import { shoalPair } from './shoal-pair.ts';
import { others } from './systems.ts';
import { pairLines, pairTable, type Measured } from './table.ts';

/** Set in the process that has the network namespace. */
const INSIDE = 'SHOAL_BENCH_PAIR_INSIDE';

const MIB = 1024 * 1024;

/** Until both sides are up, and the sender has imported the file. */
const START_LIMIT_SEC = 120;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs `npm run bench:peers -- pair` with these arguments. */
export async function pairBenchmark(args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = parsePairCommand(args);
  if (command.help) return print(USAGE);
  if (process.env[INSIDE] === undefined) return runInside(signal);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', 'lo']);
  await bench(command, signal);
}

/**
 * Runs this program again, in a network namespace of its own: no system can reach, or be reached from, anywhere else,
 * and no port is taken.
 */
async function runInside(signal: AbortSignal): Promise<void> {
  const again = spawn('unshare', ['--net', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    // A terminal's Ctrl-C would reach it beside what is passed on, and end it before it has cleaned up.
    detached: true,
    env: { ...process.env, [INSIDE]: '1' },
  });
  const stop = (): void => void again.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  try {
    const [code] = (await once(again, 'exit')) as [number | null];
    process.exitCode = code ?? 1;
  } catch (error) {
    throw new Error('it needs Linux, and the program unshare: apt-get install util-linux', { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function bench(command: PairCommand, signal: AbortSignal): Promise<void> {
  const names = command.systems.length > 0 ? [shoalPair.name, ...command.systems] : [];
  const systems = await present([shoalPair, ...others], names, print);
  if (systems[0] !== shoalPair) throw new Error('the others are held to Shoal, which is not there');
  const recorder = new Recorder();
  const folder = await mkdtemp(join(process.env['SHOAL_BENCH_DIR'] ?? '/dev/shm', 'shoal-pair-'));
  const measured = systems.map(unmeasured);
  try {
    const content = { path: join(folder, 'content'), name: 'content', bytes: command.mib * MIB };
    await writeRandomFile(content.path, content.bytes);
    const expected = await sha256Of(content.path);
    const transfer = (system: PairSystem): Promise<Transfer> =>
      transferOnce(system, content, expected, join(folder, 'pair'), command.limitSec, signal);
    // A kernel hands out memory faster that was used a moment ago.
    await transfer(shoalPair);
    for (let run = 1; run <= command.repeats; run++)
      for (const each of measured) await measureInto(each, transfer, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
    // Also of a run that was stopped.
    if (measured.some(({ transfers }) => transfers.length > 0)) report(measured, recorder, command);
  }
}

function report(measured: readonly Measured[], recorder: Recorder, command: PairCommand): void {
  const gib = (command.mib * MIB) / 1024 ** 3;
  for (const line of pairLines(measured, shoalPair.name, gib)) recorder.keep(line);
  print(`\n${pairTable(measured, shoalPair.name, gib)}\n`);
  recorder.write('peers-pair', command.json);
}

/** What a system has shown so far. */
interface Shown extends Measured {
  readonly system: PairSystem;
  readonly transfers: Transfer[];
  failure: string | undefined;
}

function unmeasured(system: PairSystem): Shown {
  return { system, transfers: [], failure: undefined };
}

/** A system that fails once is left out from there on. */
async function measureInto(
  each: Shown,
  transfer: (system: PairSystem) => Promise<Transfer>,
  signal: AbortSignal,
): Promise<void> {
  if (each.failure !== undefined) return;
  try {
    const { mbPerSec, sender, receiver } = await transfer(each.system);
    each.transfers.push({ mbPerSec, sender, receiver });
    print(
      `${each.system.name}: ${figure(mbPerSec)} MB/s, CPU ${figure(sender.cpuSec)} + ${figure(receiver.cpuSec)} s`,
    );
  } catch (error) {
    if (signal.aborted) throw error;
    each.failure = error instanceof Error ? error.message : String(error);
    print(`${each.system.name}: ${each.failure}`);
  }
}

/** @throws Error that says why nothing, or something else, was received */
async function transferOnce(
  system: PairSystem,
  content: PairContent,
  expected: string,
  folder: string,
  limitSec: number,
  signal: AbortSignal,
): Promise<Transfer> {
  await mkdir(folder);
  try {
    await using pair = new Pair(content, folder);
    await pair.makeFolders();
    try {
      const go = await within(START_LIMIT_SEC, 'not ready', signal, system.start(pair));
      const transfer = await within(limitSec, 'not done', signal, pair.measure(go));
      const received = await sha256Of(pair.target);
      if (received !== expected) throw new Error(`what it received has SHA-256 ${received}, not ${expected}`);
      return transfer;
    } catch (error) {
      print(await pair.lastWords());
      throw error;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What comes of `work`, unless that takes too long or `signal` aborts. */
async function within<T>(sec: number, what: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} in ${sec} s`)), sec * 1000);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex');
}
