/** `npm run bench`: see `USAGE`. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crowd } from './crowd.ts';
import { bareSha256, importInPlace } from './import.ts';
import { barePair, shoalPair, type PairResult } from './pair.ts';
import { writeRandomFile } from './random-file.ts';
import { Recorder, type Line } from './result.ts';
import {
  copyPlainly,
  readAndHash,
  shareAndFetch,
  writeSmallFiles,
  type SmallFilesResult,
} from './small-files.ts';

const GIB = 1024 ** 3;

/** What can be measured, in the order in which it is. */
const PARTS = ['start', 'import', 'pair', 'small', 'crowd'] as const;

const USAGE = `npm run bench -- [part ...] [options]

Measures and prints ratios to bounds taken in the same run, medians with their spread, and stores a result that
npm run bench:compare holds against another. Files lie on tmpfs where there is one with room, so that the disk is not
what is measured; SHOAL_BENCH_DIR names another folder.

parts (default: all)
  start        CPU time of the CLI's start
  import       a file shared in place, against bare SHA-256
  pair         one pair over loopback, against bare libp2p streams; CPU and peak memory of both sides
  small        a folder of 10,000 files of 4 KiB shared and fetched, against reading, hashing and copying them plainly
  crowd        eight downloaders on one seed, against one

  --repeats N  runs of each (default: 5)
  --large      what takes minutes: also a pair with 4 GiB; 100,000 small files
  --json FILE  where the result goes (default: benchmarks/results)
`;

interface Bench {
  readonly folder: string;
  readonly repeats: number;
  readonly isLarge: boolean;
  /** A file of 1 GiB, made when first asked for. */
  file(): Promise<string>;
  add(line: Line): void;
}

async function benchImport({ file, folder, repeats, add }: Bench): Promise<void> {
  const path = await file();
  const values: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < repeats; i++) {
    bare.push(bareSha256(GIB));
    values.push(await importInPlace(path, GIB, folder));
  }
  add({
    name: 'import in place, 1 GiB',
    unit: 'MB/s',
    better: 'more',
    values,
    bound: { name: 'bare SHA-256 on one core', values: bare, asked: availableParallelism() > 1 ? 1.4 : 0.85 },
  });
}

async function benchPair({ file, folder, repeats, isLarge, add }: Bench): Promise<void> {
  const path = await file();
  const shoal: PairResult[] = [];
  const bare: PairResult[] = [];
  const native: PairResult[] = [];
  for (let i = 0; i < repeats; i++) {
    bare.push(await barePair(GIB, 'stock'));
    native.push(await barePair(GIB, 'native'));
    shoal.push(await shoalPair(path, GIB, folder));
  }
  const speeds = (results: PairResult[]): number[] => results.map((result) => result.mbPerSec);
  const speed = {
    name: 'one pair, 1 GiB, verified and on disk',
    unit: 'MB/s',
    better: 'more',
    values: speeds(shoal),
  } as const;
  add({ ...speed, bound: { name: 'a bare libp2p TLS stream', values: speeds(bare), asked: 0.5 } });
  add({ ...speed, bound: { name: "a bare stream on Shoal's TLS", values: speeds(native) } });
  add({
    name: 'CPU of both sides, one pair, 1 GiB',
    unit: 'ms',
    better: 'less',
    values: shoal.map((each) => each.sender.cpuMs + each.receiver.cpuMs),
  });
  addMemory('1 GiB', shoal, add);
  if (!isLarge) return;
  await writeRandomFile(path, 4 * GIB);
  addMemory('4 GiB', [await shoalPair(path, 4 * GIB, folder)], add);
  await writeRandomFile(path, GIB);
}

function addMemory(
  size: string,
  results: readonly Pick<PairResult, 'sender' | 'receiver'>[],
  add: Bench['add'],
): void {
  for (const side of ['sender', 'receiver'] as const) {
    add({
      name: `peak memory of the ${side}, one pair, ${size}`,
      unit: 'MB',
      better: 'less',
      values: results.map((result) => result[side].peakRssBytes / 1e6),
    });
  }
}

async function benchSmall({ folder, repeats, isLarge, add }: Bench): Promise<void> {
  const count = isLarge ? 100_000 : 10_000;
  const tree = join(folder, 'small');
  writeSmallFiles(tree, count);
  const results: SmallFilesResult[] = [];
  const hashing: number[] = [];
  const copying: number[] = [];
  for (let i = 0; i < repeats; i++) {
    hashing.push(readAndHash(tree));
    copying.push(copyPlainly(tree, join(folder, 'plain')));
    await rm(join(folder, 'plain'), { recursive: true });
    results.push(await shareAndFetch(tree, count, folder));
  }
  await rm(tree, { recursive: true });
  const what = `${count.toLocaleString('en')} files of 4 KiB`;
  add({
    name: `import in place, ${what}`,
    unit: 'files/s',
    better: 'more',
    values: results.map((each) => each.importPerSec),
    asked: 10_000,
    bound: { name: 'reading and hashing them', values: hashing },
  });
  add({
    name: `one pair, ${what}, on disk`,
    unit: 'files/s',
    better: 'more',
    values: results.map((each) => each.fetchPerSec),
    asked: 5_000,
    bound: { name: 'copying them', values: copying },
  });
  add({
    name: `CPU of both sides, ${what}, with start and import`,
    unit: 'ms',
    better: 'less',
    values: results.map((each) => each.sender.cpuMs + each.receiver.cpuMs),
  });
  addMemory(what, results, add);
}

/** Small enough that eight copies fit on most machines. */
const CROWD_BYTES = GIB / 4;
const CROWD = 8;

async function benchCrowd({ folder, repeats, add }: Bench): Promise<void> {
  const file = join(folder, 'for-a-crowd');
  await writeRandomFile(file, CROWD_BYTES);
  const one: number[] = [];
  const eight: number[] = [];
  for (let i = 0; i < repeats; i++) {
    one.push(await crowd(file, CROWD_BYTES, 1, folder));
    eight.push(await crowd(file, CROWD_BYTES, CROWD, folder));
  }
  await rm(file);
  add({
    name: `${CROWD} downloaders on one seed, 256 MiB each, all together`,
    unit: 'MB/s',
    better: 'more',
    values: eight,
    bound: { name: 'one downloader', values: one, asked: 0.8 },
  });
}

/** CPU time of the CLI's start: `shoal --version` must not load the network. */
function benchStart({ repeats, add }: Bench): void {
  const cli = join(import.meta.dirname, '..', 'dist', 'node', 'cli.js');
  const command = `TIMEFORMAT="%U %S"; time "${process.execPath}" "${cli}" --version`;
  const values = Array.from({ length: repeats }, () => {
    const { stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    const [user = 0, system = 0] = stderr.trim().split(/\s+/).slice(-2).map(Number);
    return (user + system) * 1000;
  });
  add({ name: 'shoal --version, CPU', unit: 'ms', better: 'less', values, asked: 150 });
}

const RUN: Record<(typeof PARTS)[number], (bench: Bench) => Promise<void> | void> = {
  start: benchStart,
  import: benchImport,
  pair: benchPair,
  small: benchSmall,
  crowd: benchCrowd,
};

/** On tmpfs where there is one with room for the original and the copy, and some. */
async function baseFolder(neededBytes: number): Promise<string> {
  if (process.env['SHOAL_BENCH_DIR']) return process.env['SHOAL_BENCH_DIR'];
  const tmpfs = await statfs('/dev/shm').catch(() => undefined);
  return tmpfs && tmpfs.bavail * tmpfs.bsize > neededBytes ? '/dev/shm' : tmpdir();
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repeats: { type: 'string', default: '5' },
      large: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const parts = PARTS.filter((part) => positionals.length === 0 || positionals.includes(part));
  const unknown = positionals.find((part) => !PARTS.some((known) => known === part));
  const repeats = Number(values.repeats);
  if (unknown !== undefined || !(Number.isInteger(repeats) && repeats >= 1))
    throw new TypeError(`${unknown ?? `--repeats ${values.repeats}`} is not known\n\n${USAGE}`);
  const recorder = new Recorder();
  const folder = await mkdtemp(join(await baseFolder((values.large ? 9 : 3) * GIB), 'shoal-bench-'));
  process.stdout.write(`files in ${folder}\n`);
  let file: Promise<string> | undefined;
  const makeFile = async (): Promise<string> => {
    const path = join(folder, 'original');
    await writeRandomFile(path, GIB);
    return path;
  };
  try {
    const bench: Bench = {
      folder,
      repeats,
      isLarge: values.large,
      file: () => (file ??= makeFile()),
      add: (line) => recorder.add(line),
    };
    for (const part of parts) await RUN[part](bench);
    recorder.write('bench', values.json);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
