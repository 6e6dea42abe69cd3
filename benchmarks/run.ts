/** `npm run bench`: see `USAGE`. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkBuilt } from './built.ts';
import { crowd } from './crowd.ts';
import { bareSha256, importInPlace } from './import.ts';
import { barePair, shoalPair, socketPair, type PairResult } from './pair.ts';
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
  import       files of 1 and 4 GiB shared in place, against bare SHA-256
  pair         one pair over loopback, against Node's own TLS socket with SHA-256 and the same writes, raw TCP and bare
               libp2p streams; CPU and peak memory of both sides
  small        a folder of 10,000 files of 4 KiB shared and fetched, against reading, hashing and copying them plainly
  crowd        eight downloaders on one seed, against one

  --repeats N  runs of each (default: 5)
  --large      what takes minutes: 100,000 small files
  --gib N      the pair's file (default: 1); 16 shows whether memory stays flat. Where tmpfs has not room for it and its
               copy they lie on disk
  --json FILE  where the result goes (default: benchmarks/results)
`;

interface Bench {
  readonly folder: string;
  readonly repeats: number;
  readonly isLarge: boolean;
  /** Size of the pair's file. */
  readonly pairGib: number;
  /** A file of that size, in the place of the one before: a folder on tmpfs has no room for both. */
  file(bytes: number): Promise<string>;
  add(line: Line): void;
}

/** To start the threads and to keep the tree takes some 80 ms, whatever the size: the larger one shows the hashing. */
const IMPORTED_GIB = [1, 4];

async function benchImport({ file, folder, repeats, add }: Bench): Promise<void> {
  const asked = availableParallelism() > 1 ? 1.4 : 0.85;
  for (const gib of IMPORTED_GIB) {
    const path = await file(gib * GIB);
    const values: number[] = [];
    const bare: number[] = [];
    for (let i = 0; i < repeats; i++) {
      bare.push(bareSha256(GIB));
      values.push(await importInPlace(path, gib * GIB, folder));
    }
    const bound = { name: 'bare SHA-256 on one core', values: bare, asked };
    add({ name: `import in place, ${gib} GiB`, unit: 'MB/s', better: 'more', values, bound });
  }
}

async function benchPair({ file, folder, repeats, pairGib, add }: Bench): Promise<void> {
  const bytes = pairGib * GIB;
  const path = await file(bytes);
  const runs = {
    tls: [] as PairResult[],
    tcp: [] as PairResult[],
    stock: [] as PairResult[],
    native: [] as PairResult[],
    shoal: [] as PairResult[],
  };
  for (let i = 0; i < repeats; i++) {
    runs.tls.push(await socketPair(bytes, 'tls', folder));
    runs.tcp.push(await socketPair(bytes, 'tcp', folder));
    runs.stock.push(await barePair(bytes, 'stock'));
    runs.native.push(await barePair(bytes, 'native'));
    runs.shoal.push(await shoalPair(path, bytes, folder));
  }
  const size = `${pairGib} GiB`;
  const tls = "Node's TLS socket, SHA-256, same writes";
  const speeds = (of: keyof typeof runs): number[] => runs[of].map((run) => run.mbPerSec);
  const speed = {
    name: `one pair, ${size}, verified and on disk`,
    unit: 'MB/s',
    better: 'more',
    values: speeds('shoal'),
  } as const;
  add({ ...speed, bound: { name: tls, values: speeds('tls'), asked: 0.75 } });
  add({ ...speed, bound: { name: 'raw TCP', values: speeds('tcp') } });
  add({ ...speed, bound: { name: 'a bare libp2p TLS stream', values: speeds('stock'), asked: 0.5 } });
  add({ ...speed, bound: { name: "a bare stream on Shoal's TLS", values: speeds('native') } });
  const cpuOf = (of: keyof typeof runs, sides: readonly ('sender' | 'receiver')[]): number[] =>
    runs[of].map((run) => sides.reduce((sum, side) => sum + run[side].transferCpuMs, 0) / 1000 / pairGib);
  for (const sides of [['sender', 'receiver'], ['sender'], ['receiver']] as const) {
    const cpu = {
      name: `CPU of the ${sides.join(' and the ')} for each GiB, one pair, ${size}`,
      unit: 's',
      better: 'less',
      values: cpuOf('shoal', sides),
    } as const;
    const asked = sides.length === 2 ? 3 : undefined;
    add({ ...cpu, asked, bound: { name: tls, values: cpuOf('tls', sides) } });
    add({ ...cpu, bound: { name: 'raw TCP', values: cpuOf('tcp', sides) } });
  }
  add({
    name: `CPU of both sides, one pair, ${size}, with start and import`,
    unit: 'ms',
    better: 'less',
    values: runs.shoal.map((each) => each.sender.cpuMs + each.receiver.cpuMs),
  });
  addMemory(size, runs.shoal, add, 150);
}

function addMemory(
  size: string,
  results: readonly Pick<PairResult, 'sender' | 'receiver'>[],
  add: Bench['add'],
  asked?: number,
): void {
  for (const side of ['sender', 'receiver'] as const) {
    add({
      name: `peak memory of the ${side}, one pair, ${size}`,
      unit: 'MB',
      better: 'less',
      values: results.map((result) => result[side].peakRssBytes / 1e6),
      asked,
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

async function benchCrowd({ file, folder, repeats, add }: Bench): Promise<void> {
  const path = await file(CROWD_BYTES);
  const one: number[] = [];
  const eight: number[] = [];
  for (let i = 0; i < repeats; i++) {
    one.push(await crowd(path, CROWD_BYTES, 1, folder));
    eight.push(await crowd(path, CROWD_BYTES, CROWD, folder));
  }
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
      gib: { type: 'string', default: '1' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const parts = PARTS.filter((part) => positionals.length === 0 || positionals.includes(part));
  const unknown = positionals.find((part) => !PARTS.some((known) => known === part));
  const [repeats, pairGib] = [Number(values.repeats), Number(values.gib)];
  if (unknown !== undefined) throw new TypeError(`${unknown} is not known\n\n${USAGE}`);
  if (![repeats, pairGib].every((each) => Number.isInteger(each) && each >= 1))
    throw new TypeError(`--repeats and --gib take whole numbers above 0\n\n${USAGE}`);
  checkBuilt();
  const recorder = new Recorder();
  const neededGib = Math.max(2 * pairGib, ...(parts.includes('import') ? IMPORTED_GIB : []));
  const folder = await mkdtemp(join(await baseFolder((neededGib + 1) * GIB), 'shoal-bench-'));
  process.stdout.write(`files in ${folder}\n`);
  const path = join(folder, 'original');
  let written = 0;
  try {
    const bench: Bench = {
      folder,
      repeats,
      isLarge: values.large,
      pairGib,
      file: async (bytes) => {
        if (written !== bytes) await writeRandomFile(path, (written = bytes));
        return path;
      },
      add: (line) => recorder.add(line),
    };
    for (const part of parts) await RUN[part](bench);
    recorder.write('bench', values.json);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
