/** `npm run bench:footprint`: see `USAGE`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Child } from './process.ts';
import { Recorder } from './result.ts';
import { writeSmallFiles } from './small-files.ts';

const USAGE = `npm run bench:footprint -- [options]

What a node costs that does nothing: a seed of many assets, with many peers connected that each fetched one of them, all of
one DHT, over real sockets on this machine. It is measured when the seed has come to rest: what it does before that (its
assets are announced in the DHT) is told too. And the time from the start of the command line to its first byte on the
wire. Prints each beside what is asked, and stores a result for npm run bench:compare.

  --assets N    default 10000
  --peers N     default 100
  --seconds N   measured at rest (default 60)
  --rest-within N  minutes it may take to come to rest (default 20)
  --json FILE   where the result goes (default: benchmarks/results)
`;

/** Nodes of one process. */
const PEERS_PER_PROCESS = 25;

/** At rest: less than this share of a core over so long. */
const REST_SHARE = 0.01;
const REST_MS = 30_000;

const START_REPEATS = 5;

interface Usage {
  cpuShare: number;
  /** Of its whole life. */
  cpuMs: number;
  rssBytes: number;
  peers: number;
}

/** TCP payload of a port's connections, both ways, by the kernel's count, and how many connections there are. */
function trafficOf(port: string): { bytes: number; sockets: number } | undefined {
  try {
    const text = execFileSync('ss', ['-tinH', 'state', 'established', `sport = :${port}`], {
      encoding: 'utf8',
    });
    let bytes = 0;
    for (const [, count] of text.matchAll(/bytes_(?:sent|received):(\d+)/g)) bytes += Number(count);
    return { bytes, sockets: text.split('\n').filter((line) => /^\S/.test(line)).length };
  } catch {
    process.stdout.write('no figures of traffic: they need "ss" (Linux, iproute2)\n');
    return undefined;
  }
}

/** ms from starting the command line to its first byte at a peer that its link names. */
async function startToFirstByte(link: string, folder: string): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const here = link.replace(/(ip4%2F|ip4\/)127\.0\.0\.1(%2F|\/)tcp(%2F|\/)\d+/, `$1127.0.0.1$2tcp$3${port}`);
  const first = once(server, 'connection').then(async ([socket]) => {
    await once(socket as NodeJS.EventEmitter, 'data');
    return performance.now();
  });
  const cli = join(import.meta.dirname, '..', 'dist', 'node', 'cli.js');
  const dataDir = join(folder, 'start');
  const args = [cli, 'get', here, '--output', join(folder, 'never'), '--data', dataDir];
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  try {
    const failed = exited.then(([code]) => Promise.reject(new Error(`shoal get ended at once (${code})`)));
    return (await Promise.race([first, failed])) - started;
  } finally {
    child.kill('SIGKILL');
    await exited;
    server.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      assets: { type: 'string', default: '10000' },
      peers: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '60' },
      'rest-within': { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const [assets, peers, seconds, minutes] = [
    values.assets,
    values.peers,
    values.seconds,
    values['rest-within'],
  ].map(Number) as [number, number, number, number];
  if (![assets, peers, seconds, minutes].every((each) => Number.isInteger(each) && each > 0))
    throw new TypeError(`the options take whole numbers above 0\n\n${USAGE}`);
  const recorder = new Recorder();
  const folder = await mkdtemp(join(tmpdir(), 'shoal-footprint-'));
  try {
    writeSmallFiles(join(folder, 'assets'), assets);
    await using seed = new Child('footprint-seed.ts', [join(folder, 'assets'), join(folder, 'seed')]);
    const told = await seed.hear<{ links: string[]; shareMs: number; address: string }>();
    const { links, shareMs, address } = told;
    const what = `seed of ${assets.toLocaleString('en')} assets`;
    recorder.add({ name: `sharing ${what}, each`, unit: 'ms', better: 'less', values: [shareMs / assets] });
    const starts: number[] = [];
    for (let i = 0; i < START_REPEATS; i++) starts.push(await startToFirstByte(links[0] as string, folder));
    recorder.add({
      name: 'shoal get, start to first byte at a known peer',
      unit: 'ms',
      better: 'less',
      values: starts,
      asked: 500,
    });

    const measure = (ms: number): Promise<Usage> => {
      seed.say(`measure ${ms}`);
      return seed.hear<Usage>();
    };
    const restlessFrom = performance.now();
    const { cpuMs: cpuMsBefore } = await measure(0);
    await using crowd = new AsyncDisposableStack();
    const children: Child[] = [];
    for (let from = 0; from < peers; from += PEERS_PER_PROCESS) {
      const dataDir = join(folder, `peers-${from}`);
      await mkdir(dataDir);
      const own = Array.from(
        { length: Math.min(PEERS_PER_PROCESS, peers - from) },
        (_, i) => links[(from + i) % links.length] as string,
      );
      children.push(crowd.use(new Child('footprint-peers.ts', [dataDir, address, ...own])));
    }
    for (const child of children) await child.hear<{ ready: number }>();
    let usage = await measure(REST_MS);
    for (let told = performance.now(); usage.cpuShare > REST_SHARE;) {
      if (performance.now() - restlessFrom > minutes * 60_000) {
        process.stdout.write(`the seed has not come to rest within ${minutes} min\n`);
        break;
      }
      usage = await measure(REST_MS);
      if (performance.now() - told < 60_000) continue;
      told = performance.now();
      process.stdout.write(
        `not at rest: ${(usage.cpuShare * 100).toFixed(1)} % of a core, ${usage.peers} peers, ${((told - restlessFrom) / 1000).toFixed(0)} s\n`,
      );
    }
    const sinceMs = performance.now() - restlessFrom;
    recorder.add({
      name: `${what}, CPU until at rest`,
      unit: 's',
      better: 'less',
      values: [(usage.cpuMs - cpuMsBefore) / 1000],
    });
    recorder.add({
      name: `${what}, time until at rest`,
      unit: 's',
      better: 'less',
      values: [sinceMs / 1000],
    });

    const port = /\/tcp\/(\d+)/.exec(address)?.[1] ?? '';
    const before = trafficOf(port);
    const rest = await measure(seconds * 1000);
    const after = trafficOf(port);
    const state = `${what}, ${rest.peers} peers`;
    recorder.add({
      name: `${state}: share of a core`,
      unit: '%',
      better: 'less',
      values: [rest.cpuShare * 100],
      asked: 1,
    });
    recorder.add({
      name: `${state}: memory`,
      unit: 'MB',
      better: 'less',
      values: [rest.rssBytes / 1e6],
      asked: 200,
    });
    if (before && after) {
      const perHour = ((after.bytes - before.bytes) / 1e6 / seconds) * 3600;
      recorder.add({
        name: `${state}: sockets`,
        unit: 'sockets',
        better: 'less',
        values: [after.sockets],
      });
      recorder.add({
        name: `${state}: traffic of each, both ways`,
        unit: 'MB/h',
        better: 'less',
        values: [perHour / rest.peers],
        asked: 1,
      });
    }
    recorder.write('footprint', values.json);
    await Promise.all(children.map((child) => child.stop()));
    await seed.stop();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
