/**
 * `npm run bench [-- --large]`: import against bare SHA-256; one pair over loopback against a bare libp2p stream in
 * the same run; peak memory of both sides. Prints ratios, medians of three, with their spread, and writes them to
 * benchmarks/results. `--large` adds a 4 GiB transfer for the memory figure. Files lie on tmpfs where there is one
 * with room, so that the disk is not what is measured; SHOAL_BENCH_DIR names another folder.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { bareSha256, importInPlace } from './import.ts';
import { barePair, shoalPair, type PairResult } from './pair.ts';
import { writeRandomFile } from './random-file.ts';

const GIB = 1024 ** 3;
const REPEATS = 3;

interface Line {
  name: string;
  unit: string;
  values: number[];
  /** What it is measured against, and the ratio asked for. */
  limit?: { name: string; values: number[]; target?: number };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function show({ name, unit, values, limit }: Line): void {
  const spread = `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}`;
  let text = `${name.padEnd(44)} ${median(values).toFixed(0).padStart(6)} ${unit} (${spread})`;
  if (limit) {
    const ratio = median(values) / median(limit.values);
    text += `  = ${ratio.toFixed(2)} of ${limit.name} at ${median(limit.values).toFixed(0)}${limit.target === undefined ? '' : ` (asked: ${limit.target})`}`;
  }
  process.stdout.write(`${text}\n`);
}

async function benchImport(file: string, folder: string): Promise<Line> {
  const values: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    bare.push(bareSha256(GIB));
    values.push(await importInPlace(file, GIB, folder));
  }
  return {
    name: 'import in place, 1 GiB',
    unit: 'MB/s',
    values,
    limit: { name: 'bare SHA-256', values: bare, target: 0.6 },
  };
}

async function benchPair(file: string, folder: string): Promise<Line[]> {
  const shoal: PairResult[] = [];
  const bare: PairResult[] = [];
  const native: PairResult[] = [];
  for (let i = 0; i < REPEATS; i++) {
    bare.push(await barePair(GIB, 'stock'));
    native.push(await barePair(GIB, 'native'));
    shoal.push(await shoalPair(file, GIB, folder));
  }
  const speeds = (results: PairResult[]): number[] => results.map((result) => result.mbPerSec);
  return [
    {
      name: 'one pair, 1 GiB, verified and on disk',
      unit: 'MB/s',
      values: speeds(shoal),
      limit: { name: 'a bare libp2p TLS stream', values: speeds(bare), target: 0.5 },
    },
    {
      name: 'the same',
      unit: 'MB/s',
      values: speeds(shoal),
      limit: { name: "a bare stream on Shoal's TLS", values: speeds(native) },
    },
    {
      name: 'CPU of both sides, 1 GiB',
      unit: 'ms',
      values: shoal.map((each) => each.sender.cpuMs + each.receiver.cpuMs),
    },
    ...memory('1 GiB', shoal),
  ];
}

function memory(size: string, results: PairResult[]): Line[] {
  const side = (name: 'sender' | 'receiver'): Line => ({
    name: `peak memory of the ${name}, ${size}`,
    unit: 'MB',
    values: results.map((result) => result[name].peakRssBytes / 1e6),
  });
  return [side('sender'), side('receiver')];
}

/** CPU time of the CLI's start, the smallest of five: `shoal --version` must not load the network. */
function benchStart(): Line {
  const cli = join(import.meta.dirname, '..', 'dist', 'node', 'cli.js');
  const command = `TIMEFORMAT="%U %S"; time "${process.execPath}" "${cli}" --version`;
  const values = Array.from({ length: 5 }, () => {
    const { stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    const [user = 0, system = 0] = stderr.trim().split(/\s+/).slice(-2).map(Number);
    return (user + system) * 1000;
  });
  return { name: 'shoal --version, CPU (asked: 150)', unit: 'ms', values };
}

/** Room for the original and the copy, and some. */
const NEEDED_BYTES = (process.argv.includes('--large') ? 9 : 3) * GIB;

async function baseFolder(): Promise<string> {
  if (process.env['SHOAL_BENCH_DIR']) return process.env['SHOAL_BENCH_DIR'];
  const tmpfs = await statfs('/dev/shm').catch(() => undefined);
  return tmpfs && tmpfs.bavail * tmpfs.bsize > NEEDED_BYTES ? '/dev/shm' : tmpdir();
}

const folder = await mkdtemp(join(await baseFolder(), 'shoal-bench-'));
process.stdout.write(`files in ${folder}\n`);
try {
  const file = join(folder, 'original');
  await writeRandomFile(file, GIB);
  const lines: Line[] = [];
  const add = (line: Line): void => {
    lines.push(line);
    show(line);
  };
  add(benchStart());
  add(await benchImport(file, folder));
  for (const line of await benchPair(file, folder)) add(line);
  if (process.argv.includes('--large')) {
    await writeRandomFile(file, 4 * GIB);
    for (const line of memory('4 GiB', [await shoalPair(file, 4 * GIB, folder)])) add(line);
  }
  const results = join(import.meta.dirname, 'results');
  await mkdir(results, { recursive: true });
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
    node: process.version,
  };
  const path = join(results, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  await writeFile(path, `${JSON.stringify({ commit, machine, lines }, undefined, 2)}\n`);
  process.stdout.write(`written to ${path}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
