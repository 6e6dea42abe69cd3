/** `npm run bench:browser`: see `USAGE`. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type BrowserContext, type CDPSession, type Page } from 'playwright-core';
import { bundleBrowser } from '../scripts/bundle-browser.ts';
import { BrowserRig, findChromium, FLAGS } from '../test/browser/chromium.ts';
import { bareSpeed } from './bare-channels.ts';
import { fetchBetween } from './browser-between.ts';
import { crowdBoundMs, pageCrowd, type PageCrowd, type PageCrowdOutcome } from './browser-crowd.ts';
import { Child } from './process.ts';
import { writeRandomFile } from './random-file.ts';
import { Recorder } from './result.ts';
import { timedSave } from './timed-save.ts';

/** What the server below puts into the page. */
declare const bare: { receive(address: string, total: number): Promise<number> };

const MIB = 1024 ** 2;

const USAGE = `npm run bench:browser -- [options]

A page in headless Chromium fetches a file from a node on this machine, verified and stored in its files (OPFS):
how fast against a bare webrtc-direct stream between the same two in the same run, how much memory the page takes
meanwhile, and how busy its main thread is. Then a page fetches from another page, against a bare data channel between
the two. At last a crowd of 8 pages fetches from one node and from each other, all with limited uploads, against the
fluid bound, and against what the same pages move over bare data channels right after that: once with the node there,
and once with it killed after it uploaded 1.05 times the file.

  --phase P      fetch, between, crowd or killed; may be repeated (default: all of them)
  --repeats N    runs of each (default: 3)
  --size N       MiB of the file (default: 512)
  --large        2 GiB, once, to a page alone
  --mbit N       upload limit of each in the crowd, Mbit/s (default: 20)
  --page-mbit N  upload limit of its pages, where it is another; 0: none
  --crowd N      MiB of the crowd's file (default: 64; the first five seconds are the meeting of everybody)
  --json FILE    where the result goes (default: benchmarks/results)
`;

/** The parts of this benchmark, each of which runs by itself too. */
const PHASES = ['fetch', 'between', 'crowd', 'killed'] as const;

/** Of the bare stream: enough for a steady speed. */
const BARE_BYTES = 256 * MIB;

/** For so long the bare data channel is measured. */
const BARE_MS = 8000;

/** Pages of the crowd. */
const CROWD = 8;

/** How often the page's memory is looked at. */
const SAMPLE_MS = 200;

/** The bundle, and the bare stream's page, on loopback. */
async function serve(folder: string): Promise<Server> {
  await bundleBrowser({
    absWorkingDir: resolve(import.meta.dirname, '..'),
    entryPoints: { shoal: 'src/browser.ts', bare: 'benchmarks/children/stream-page.ts' },
    outdir: folder,
  });
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(`/${relative(folder, path).replaceAll(sep, '/')}`, await readFile(path));
  }
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
    response.end(file ?? '<!doctype html><title>bench</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** What a page takes while something goes on in it. */
interface PageUsage {
  /** Of JavaScript's heap, with and without what its buffers hold outside of it. */
  peakHeapBytes: number;
  peakHeapAndBuffersBytes: number;
  /** Share of the time in which the main thread ran a task. */
  busy: number;
}

/** Watches a page's memory and main thread until it is stopped. */
class PageWatch {
  readonly #session: CDPSession;
  readonly #sampling: Promise<void>;
  readonly #before: Map<string, number>;
  #isOver = false;
  #heap = 0;
  #all = 0;

  private constructor(session: CDPSession, before: Map<string, number>) {
    this.#session = session;
    this.#before = before;
    this.#sampling = this.#sample();
  }

  static async start(page: Page): Promise<PageWatch> {
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    return new PageWatch(session, await metricsOf(session));
  }

  async stop(): Promise<PageUsage> {
    this.#isOver = true;
    await this.#sampling;
    const after = await metricsOf(this.#session);
    await this.#session.detach();
    const passed = (name: string): number => (after.get(name) ?? 0) - (this.#before.get(name) ?? 0);
    return {
      peakHeapBytes: this.#heap,
      peakHeapAndBuffersBytes: this.#all,
      busy: passed('TaskDuration') / passed('Timestamp'),
    };
  }

  async #sample(): Promise<void> {
    while (!this.#isOver) {
      const usage = (await this.#session.send('Runtime.getHeapUsage')) as {
        usedSize: number;
        embedderHeapUsedSize?: number;
        backingStorageSize?: number;
      };
      const heap = usage.usedSize + (usage.embedderHeapUsedSize ?? 0);
      this.#heap = Math.max(this.#heap, heap);
      this.#all = Math.max(this.#all, heap + (usage.backingStorageSize ?? 0));
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  }
}

async function metricsOf(session: CDPSession): Promise<Map<string, number>> {
  const { metrics } = await session.send('Performance.getMetrics');
  return new Map(metrics.map(({ name, value }) => [name, value]));
}

/** @returns MB/s */
async function bareRun(page: Page): Promise<number> {
  await using sender = new Child('stream-send.ts', [String(BARE_BYTES), 'page']);
  const { address } = await sender.hear<{ address: string }>();
  const ms = await page.evaluate(([address, total]) => bare.receive(address, total), [
    address,
    BARE_BYTES,
  ] as const);
  await sender.stop();
  return BARE_BYTES / 1000 / ms;
}

async function shoalRun(page: Page, file: string, bytes: number, folder: string) {
  const dataDir = join(folder, 'seed');
  await using sender = new Child('seed.ts', [file, dataDir, 'web']);
  const { link } = await sender.hear<{ link: string }>();
  // WebSocket has its own speed.
  const [cid = '', query = ''] = link.split('?');
  const direct = query
    .split('&')
    .filter((part) => !part.startsWith('a=') || part.includes('/webrtc-direct/'));
  const watch = await PageWatch.start(page);
  const ms = await timedSave(page, `${cid}?${direct.join('&')}`);
  const usage = await watch.stop();
  const { cpuMs } = await sender.stop();
  await rm(dataDir, { recursive: true });
  return { mbPerSec: bytes / 1000 / ms, cpuMs, ...usage };
}

async function measureFetch(
  context: BrowserContext,
  origin: string,
  bytes: number,
  folder: string,
  repeats: number,
  recorder: Recorder,
): Promise<void> {
  const file = join(folder, 'original');
  await writeRandomFile(file, bytes);
  const bareSpeeds: number[] = [];
  const runs: Awaited<ReturnType<typeof shoalRun>>[] = [];
  for (let i = 0; i < repeats; i++) {
    bareSpeeds.push(await inPage(context, origin, bareRun));
    runs.push(await inPage(context, origin, (page) => shoalRun(page, file, bytes, folder)));
  }
  const what = `node to page, ${bytes / MIB} MiB`;
  recorder.add({
    name: `${what}, verified and in its files`,
    unit: 'MB/s',
    better: 'more',
    values: runs.map(({ mbPerSec }) => mbPerSec),
    bound: { name: 'a bare webrtc-direct stream', values: bareSpeeds, asked: 0.9 },
  });
  const lines = [
    ['peak heap of the page', 'MB', runs.map((run) => run.peakHeapBytes / 1e6), 100],
    [
      'peak heap and buffers of the page',
      'MB',
      runs.map((run) => run.peakHeapAndBuffersBytes / 1e6),
      undefined,
    ],
    ['main thread of the page busy', '%', runs.map((run) => run.busy * 100), 50],
    ['CPU of the node', 'ms', runs.map((run) => run.cpuMs), undefined],
  ] as const;
  for (const [name, unit, values, asked] of lines)
    recorder.add({ name: `${name}, ${what}`, unit, better: 'less', values, asked });
}

/** One page to another. The one that shares is of another site to the browser, and so a process with storage of its own. */
async function measureBetween(
  context: BrowserContext,
  origin: string,
  bytes: number,
  folder: string,
  repeats: number,
  recorder: Recorder,
): Promise<void> {
  const file = join(folder, 'between');
  await writeRandomFile(file, bytes);
  await using relay = new Child('seed.ts', [file, join(folder, 'relay'), 'web']);
  const { link } = await relay.hear<{ link: string }>();
  const addresses = new URLSearchParams(link.split('?')[1]).getAll('a');
  const direct = addresses.find((each) => each.includes('/webrtc-direct/')) ?? '';
  const speeds: number[] = [];
  const bareSpeeds: number[] = [];
  for (let i = 0; i < repeats; i++) {
    await inPage(context, origin.replace('127.0.0.1', 'localhost'), (from) =>
      inPage(context, origin, async (to) => {
        bareSpeeds.push(await bareSpeed([[from, to]], BARE_MS));
        speeds.push(await fetchBetween(from, to, file, bytes, direct));
      }),
    );
  }
  recorder.add({
    name: `page to page, ${bytes / MIB} MiB, verified and in its files`,
    unit: 'MB/s',
    better: 'more',
    values: speeds,
    bound: { name: 'a bare data channel', values: bareSpeeds, asked: 0.9 },
  });
}

async function measureCrowd(
  executablePath: string,
  crowd: PageCrowd,
  what: string,
  folder: string,
  repeats: number,
  recorder: Recorder,
): Promise<void> {
  const isKilled = crowd.seedDiesAfter !== undefined;
  const outcomes: PageCrowdOutcome[] = [];
  await using rig = await BrowserRig.start(executablePath);
  const context = await rig.lastingContext();
  try {
    // Without these permissions Chromium hides loopback addresses behind mDNS names.
    await context.grantPermissions(['camera', 'microphone']);
    for (let i = 0; i < repeats; i++) outcomes.push(await pageCrowd(rig, context, crowd, folder));
  } finally {
    await context.close();
  }
  recorder.add({
    name: `last of ${what}`,
    unit: 's',
    better: 'less',
    values: outcomes.map(({ lastMs }) => lastMs / 1000),
    bound: {
      name: 'the fluid bound',
      values: outcomes.map(() => crowdBoundMs(crowd) / 1000),
      ...(!isKilled && { asked: 1.3 }),
    },
  });
  recorder.add({
    name: `all together of ${what}`,
    unit: 'MB/s',
    better: 'more',
    values: outcomes.map(({ lastMs, finished }) => (finished * crowd.bytes) / 1000 / lastMs),
    bound: {
      name: 'their bare data channels, each to the next',
      values: outcomes.map(({ bareMbPerSec }) => bareMbPerSec),
    },
  });
  recorder.add({
    name: `finished of ${what}`,
    unit: 'pages',
    better: 'more',
    values: outcomes.map(({ finished }) => finished),
    asked: CROWD,
  });
}

async function measureCrowds(
  executablePath: string,
  phases: ReadonlySet<string>,
  options: { mib: number; mbit: number; pageMbit: number },
  folder: string,
  repeats: number,
  recorder: Recorder,
): Promise<void> {
  const { mib, mbit, pageMbit } = options;
  const bytes = mib * MIB;
  const pageBytesPerSec = pageMbit === 0 ? Infinity : pageMbit * 125_000;
  const crowd = {
    file: join(folder, 'crowd'),
    bytes,
    pages: CROWD,
    bytesPerSec: mbit * 125_000,
    pageBytesPerSec,
  };
  await writeRandomFile(crowd.file, bytes);
  const limits = pageMbit === mbit ? `${mbit} Mbit/s` : `${mbit} Mbit/s, of a page ${pageMbit || 'any'}`;
  const what = `${CROWD} pages, ${mib} MiB, ${limits}`;
  const killed = { ...crowd, seedDiesAfter: 1.05 * bytes };
  if (phases.has('crowd')) await measureCrowd(executablePath, crowd, what, folder, repeats, recorder);
  if (phases.has('killed'))
    await measureCrowd(
      executablePath,
      killed,
      `${what}, seed killed after 1.05 F`,
      folder,
      repeats,
      recorder,
    );
}

/** A new page, so that nothing of what ran before counts. */
async function inPage<T>(
  context: BrowserContext,
  origin: string,
  run: (page: Page) => Promise<T>,
): Promise<T> {
  const page = await context.newPage();
  await page.goto(origin);
  const load = ['shoal', 'bare'].map(
    (name) => `import("/${name}.js").then((loaded) => { globalThis.${name} = loaded; })`,
  );
  await page.evaluate(`Promise.all([${load.join(', ')}]).then(() => {})`);
  try {
    return await run(page);
  } finally {
    await page.close();
  }
}

/** On tmpfs where there is one with room for the original and the copy. */
async function baseFolder(neededBytes: number): Promise<string> {
  if (process.env['SHOAL_BENCH_DIR']) return process.env['SHOAL_BENCH_DIR'];
  const tmpfs = await statfs('/dev/shm').catch(() => undefined);
  return tmpfs && tmpfs.bavail * tmpfs.bsize > neededBytes ? '/dev/shm' : tmpdir();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      repeats: { type: 'string', default: '3' },
      size: { type: 'string', default: '512' },
      mbit: { type: 'string', default: '20' },
      'page-mbit': { type: 'string' },
      crowd: { type: 'string', default: '64' },
      phase: { type: 'string', multiple: true, default: [...PHASES] },
      large: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium found: install it, or name it in $CHROMIUM');
  const bytes = (values.large ? 2048 : Number(values.size)) * MIB;
  const repeats = values.large ? 1 : Number(values.repeats);
  const phases = new Set<string>(values.large ? ['fetch'] : values.phase);
  const isKnown = [...phases].every((phase) => PHASES.some((known) => known === phase));
  if (!(bytes > 0) || !(repeats >= 1) || !isKnown) throw new TypeError(USAGE);
  const folder = await mkdtemp(join(await baseFolder(2.5 * bytes), 'shoal-bench-'));
  const server = await serve(join(folder, 'served'));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // Not like a private window: files lie on the disk.
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    headless: true,
    args: FLAGS,
  });
  try {
    const recorder = new Recorder();
    if (phases.has('fetch')) await measureFetch(context, origin, bytes, folder, repeats, recorder);
    if (phases.has('between')) await measureBetween(context, origin, bytes, folder, repeats, recorder);
    const mbit = Number(values.mbit);
    const crowd = { mib: Number(values.crowd), mbit, pageMbit: Number(values['page-mbit'] ?? mbit) };
    if (phases.has('crowd') || phases.has('killed'))
      await measureCrowds(executablePath, phases, crowd, folder, repeats, recorder);
    recorder.write('browser', values.json);
  } finally {
    await context.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
