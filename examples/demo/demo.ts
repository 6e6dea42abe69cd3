/**
 * The demo: an origin and five downloaders, each a `shoal` process of its own with its own data folder. The origin
 * is killed (SIGKILL) once it has uploaded 1.05 times the file; everyone finishes all the same.
 *
 *     npm run demo              # 128 MiB of random bytes
 *     npm run demo -- PATH      # a file of yours
 */
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { boundWithoutOrigin, fluidBound, type SwarmShape } from './bounds.ts';
import { Picture, type PeerState, type SwarmState } from './picture.ts';
import { ShoalProcess, type ShoalEvent } from './shoal-process.ts';

const CLI = resolve(import.meta.dirname, '../../dist/node/cli.js');

const PEERS = 5;

const DEFAULT_BYTES = 128 * 1024 * 1024;

/** The origin dies when it has uploaded this many times the file. */
const ORIGIN_FILES = 1.05;

/**
 * The origin needs so long to send the file once, and a peer 2.4 times as long: the peers' uplinks together are
 * the wider way, and the origin dies when the downloaders have about half of the file.
 */
const ORIGIN_SECONDS = 11.2;
const PEER_SHARE = 5 / 12;

/** A small file must not take for ever, and with a large one five processes must not run out of processor. */
const MIN_ORIGIN_RATE = 1_000_000;
const MAX_ORIGIN_RATE = 40_000_000;

/** Far above what it takes: something hangs. */
const GIVE_UP_FACTOR = 4;
const GIVE_UP_EXTRA_SECONDS = 20;

/** One run of the demo, from the file to the table. */
class Demo {
  readonly #folder: string;
  readonly #file: string;
  readonly #shape: SwarmShape;
  readonly #sha256: string;
  readonly #processes: ShoalProcess[] = [];
  readonly #peers: PeerState[] = [];
  /** Acknowledged bytes by the peer that got them. */
  readonly #uploads = new Map<string, number>();
  #originPeer = '';
  #startMs = 0;
  #isOriginKilled = false;
  /** Seconds until the first downloader had its first chunk: five processes start on one machine. */
  #firstBytes: number | undefined;

  constructor(folder: string, file: string, fileBytes: number, sha256: string) {
    this.#folder = folder;
    this.#file = file;
    this.#sha256 = sha256;
    const origin = Math.round(
      Math.min(MAX_ORIGIN_RATE, Math.max(MIN_ORIGIN_RATE, fileBytes / ORIGIN_SECONDS)),
    );
    const peer = Math.round(origin * PEER_SHARE);
    this.#shape = {
      fileBytes,
      originBytesPerSec: origin,
      peerBytesPerSec: Array.from({ length: PEERS }, () => peer),
    };
  }

  /** @returns whether everything is as it should be */
  async run(): Promise<boolean> {
    const { originBytesPerSec, peerBytesPerSec, fileBytes } = this.#shape;
    console.log(
      `${basename(this.#file)}, ${megabytes(fileBytes)}; uplinks: origin ${megabytes(originBytesPerSec)}/s, each of ${PEERS} peers ${megabytes(peerBytesPerSec[0] ?? 0)}/s\n`,
    );
    const origin = this.#spawn('origin', ['share', this.#file], originBytesPerSec);
    // Both at once: of two that fail, one that nobody awaits yet would end the demo without its clean-up.
    const [listening, sharing] = await Promise.all([origin.waitFor('listening'), origin.waitFor('sharing')]);
    this.#originPeer = String(listening['peer']);
    this.#startMs = performance.now();
    const picture = new Picture(process.stdout, () => this.#state());
    try {
      const isKilled = this.#killOrigin(origin, picture);
      const copies = await Promise.race([this.#download(String(sharing['link'])), this.#giveUp()]);
      picture.end();
      if (!this.#isOriginKilled)
        throw new Error('everyone was done before the origin could be killed: the limits are wrong');
      await isKilled;
      return await this.#report(copies);
    } finally {
      picture.end();
    }
  }

  /** Stops every process that was started. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.stop()));
  }

  #spawn(name: string, args: readonly string[], uploadBytesPerSec: number): ShoalProcess {
    const common = [
      '--data',
      join(this.#folder, name, 'data'),
      '--network',
      `demo-${process.pid}`,
      '--no-mdns',
    ];
    const node = ['--listen', '/ip4/127.0.0.1/tcp/0', '--upload-limit', `${uploadBytesPerSec}`];
    const started = new ShoalProcess(name, CLI, [...args, ...common, ...node]);
    this.#processes.push(started);
    return started;
  }

  /** Resolves when the origin has uploaded enough and is dead. */
  async #killOrigin(origin: ShoalProcess, picture: Picture): Promise<void> {
    const hasSentEnough = Promise.withResolvers<void>();
    origin.onEvent((event) => {
      if (event.event !== 'upload' || this.#isOriginKilled) return;
      this.#uploads.set(String(event['peer']), Number(event['bytes']));
      if (this.#originSent() < ORIGIN_FILES * this.#shape.fileBytes) return;
      this.#isOriginKilled = true;
      hasSentEnough.resolve();
    });
    await hasSentEnough.promise;
    await origin.kill();
    if (!process.stdout.isTTY) picture.say(`${this.#seconds().toFixed(1)} s  SIGKILL to the origin`);
  }

  /** Starts the downloaders, who know nothing but the link. @returns the paths of their copies */
  #download(link: string): Promise<string[]> {
    return Promise.all(
      this.#shape.peerBytesPerSec.map(async (rate, n) => {
        const name = `peer ${n + 1}`;
        const state: PeerState = {
          name,
          bytes: 0,
          bytesPerSec: 0,
          fromOrigin: 0,
          fromPeers: 0,
          peers: 0,
          doneAfter: undefined,
        };
        this.#peers.push(state);
        const folder = join(this.#folder, name);
        await mkdir(folder);
        const target = join(folder, basename(this.#file));
        // Serves on until the demo ends, as a real peer does for a while.
        const peer = this.#spawn(name, ['get', link, '-o', target, '--seed'], rate);
        peer.onEvent((event) => this.#follow(state, event));
        await peer.waitFor('done');
        return target;
      }),
    );
  }

  #follow(state: PeerState, event: ShoalEvent): void {
    if (event.event !== 'progress' && event.event !== 'done') return;
    const sources = event['sources'] as { peer: string; bytes: number }[];
    const sum = sources.reduce((bytes, source) => bytes + source.bytes, 0);
    state.bytes = Number(event['bytes']);
    if (state.bytes > 0) this.#firstBytes ??= this.#seconds();
    state.fromOrigin = sources.find(({ peer }) => peer === this.#originPeer)?.bytes ?? 0;
    state.fromPeers = sum - state.fromOrigin;
    if (event.event === 'done') {
      state.doneAfter = this.#seconds();
    } else {
      state.bytesPerSec = Number(event['bytesPerSec']);
      state.peers = Number(event['peers']);
    }
  }

  async #report(copies: readonly string[]): Promise<boolean> {
    const rows = await Promise.all(
      copies.map(async (copy, n) => {
        const peer = this.#peers[n];
        if (!peer) throw new Error('a copy without a peer');
        return { peer, isEqual: (await sha256Of(copy)) === this.#sha256 };
      }),
    );
    console.log('\npeer      time     from the origin   from peers   SHA-256');
    for (const { peer, isEqual } of rows) {
      const cells = [
        peer.name.padEnd(8),
        `${(peer.doneAfter ?? 0).toFixed(1)} s`.padStart(7),
        megabytes(peer.fromOrigin).padStart(16),
        megabytes(peer.fromPeers).padStart(12),
        `  ${isEqual ? 'equal' : 'DIFFERENT'}`,
      ];
      console.log(cells.join(' '));
    }
    const fromPeers = this.#peers.reduce((bytes, peer) => bytes + peer.fromPeers, 0);
    const all = this.#peers.reduce((bytes, peer) => bytes + peer.fromPeers + peer.fromOrigin, 0);
    const last = Math.max(...this.#peers.map((peer) => peer.doneAfter ?? 0));
    const bound = fluidBound(this.#shape);
    const boundCut = boundWithoutOrigin(this.#shape, this.#originSent() / this.#shape.fileBytes);
    console.log(
      `\nThe origin was killed after ${(this.#originSent() / this.#shape.fileBytes).toFixed(3)} × the file.`,
    );
    console.log(`Peer efficiency  ${((fromPeers / all) * 100).toFixed(1)} % of all bytes came from peers`);
    console.log(
      `Time             ${last.toFixed(1)} s, from the start of the downloaders' processes to the last one's end`,
    );
    console.log(
      `                 (${(this.#firstBytes ?? 0).toFixed(1)} s of it until the first chunk was there)`,
    );
    console.log(
      `Fluid bound      ${bound.toFixed(1)} s with an origin that stays: ${(last / bound).toFixed(2)} ×`,
    );
    console.log(
      `                 ${boundCut.toFixed(1)} s with one that dies when this one did: ${(last / boundCut).toFixed(2)} ×`,
    );
    const isGood = rows.every(({ isEqual }) => isEqual);
    console.log(isGood ? '\nAll copies are equal to the original.' : '\nA copy differs from the original.');
    return isGood;
  }

  async #giveUp(): Promise<never> {
    const seconds = boundWithoutOrigin(this.#shape, ORIGIN_FILES) * GIVE_UP_FACTOR + GIVE_UP_EXTRA_SECONDS;
    await new Promise((done) => setTimeout(done, seconds * 1000).unref());
    throw new Error(`not everyone was done after ${seconds.toFixed(0)} s`);
  }

  #originSent(): number {
    return [...this.#uploads.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  #seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #state(): SwarmState {
    return {
      seconds: this.#seconds(),
      fileBytes: this.#shape.fileBytes,
      originSent: this.#originSent(),
      isOriginKilled: this.#isOriginKilled,
      peers: this.#peers,
    };
  }
}

async function main(path: string | undefined): Promise<number> {
  if (!existsSync(CLI)) {
    console.error('demo: dist/node/cli.js is missing; run npm ci or npm run build first');
    return 1;
  }
  const folder = await mkdtemp(join(tmpdir(), 'shoal-demo-'));
  let demo: Demo | undefined;
  let isStopped = false;
  const cleanUp = async (): Promise<void> => {
    await demo?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isStopped = true;
      void cleanUp().finally(() => process.exit(130));
    });
  }
  try {
    const file =
      path === undefined ? await randomFile(join(folder, 'random.bin'), DEFAULT_BYTES) : resolve(path);
    const info = await stat(file);
    if (!info.isFile() || info.size === 0) throw new Error(`${file} is not a file with something in it`);
    demo = new Demo(folder, file, info.size, await sha256Of(file));
    return (await demo.run()) ? 0 : 1;
  } catch (error) {
    if (!isStopped) console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await cleanUp();
  }
}

async function randomFile(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'wx');
  const block = Buffer.alloc(1024 * 1024);
  for (let left = bytes; left > 0; left -= block.length)
    await file.write(randomFillSync(block), 0, Math.min(left, block.length));
  await file.close();
  return path;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    hash.update(bytes as Uint8Array);
  return hash.digest('hex');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

process.exitCode = await main(process.argv[2]);
