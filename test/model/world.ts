import type { PeerId } from '@libp2p/interface';
import type { MemoryFile } from '../swarm/shell/memory-asset.ts';
import type { ExchangeConfig } from '../../src/swarm/core/exchange-config.ts';
import { Dice } from '../soak/dice.ts';
import { seededRng, type Rng } from '../../src/swarm/core/rng.ts';
import type { Sabotage } from './model-disk.ts';
import { MAX_NODES, type Cast } from './model-files.ts';
import { ModelNode, type NodeHost } from './model-node.ts';
import { Network, pairOf } from './network.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Of an uplink: from a slow modem's to a machine room's. */
const BYTES_PER_MS = [4, 20, 100, 1000, 20_000];

/** Of a downlink that is slower than what its neighbours send together: all of it waits before it. */
const DOWN_BYTES_PER_MS = [4, 20, 100];

const LATENCIES_MS = [0.1, 1, 10, 50, 200, 400];

/** A file that takes longer than this over the slowest uplink is left out. */
const MAX_TRANSFER_MS = 120_000;

const MAX_FILES = 3;

/** A file and who published it. */
export interface Published {
  readonly file: MemoryFile;
  readonly origin: ModelNode;
}

/** Nodes, files and a network, all drawn from a seed. */
export class World implements NodeHost {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly rng: Rng;
  readonly network: Network;
  readonly storeMs: number;
  readonly exchangeConfig: ExchangeConfig;
  readonly nodes: readonly ModelNode[];
  readonly published: readonly Published[];
  readonly failures: string[] = [];
  readonly #onLog: ((line: string) => void) | undefined;

  /** @param onLog gets a line for all that happens */
  constructor(seed: number, time: VirtualTime, cast: Cast, onLog?: (line: string) => void) {
    time.reset(seed + 999);
    this.seed = seed;
    this.time = time;
    this.#onLog = onLog;
    this.dice = new Dice(seed * 7919 + 13);
    this.rng = seededRng(seed * 5 + 2);
    this.network = this.#makeNetwork();
    this.storeMs = this.dice.pick([0, 1, 30, 500]);
    // With one link each, two pairs may have all they can get of each other, and a third node finds both full.
    this.exchangeConfig = this.dice.chance(0.3) ? { degree: this.dice.int(2, 3) } : {};
    this.nodes = this.#makeNodes(cast);
    this.published = this.#publish(cast);
    const sizes = this.published.map(({ file, origin }) => `${file.content.length} of node ${origin.number}`);
    this.log(
      `${this.nodes.length} nodes, ${this.nodes.map((node) => `${node.bytesPerMs}/${node.downBytesPerMs}`)} B/ms, files: ${sizes}`,
    );
  }

  get slowestBytesPerMs(): number {
    return Math.min(
      ...this.nodes.map(({ bytesPerMs, downBytesPerMs }) => Math.min(bytesPerMs, downBytesPerMs)),
    );
  }

  /** Whether nodes keep fewer links than there are peers, and so go on looking for others. */
  get hasFewLinks(): boolean {
    return this.exchangeConfig.degree !== undefined;
  }

  log(text: string): void {
    this.#onLog?.(`${(this.time.elapsedMs / 1000).toFixed(3)} ${text}`);
  }

  fail(text: string): void {
    this.failures.push(`at ${(this.time.elapsedMs / 1000).toFixed(1)} s: ${text}`);
    this.log(`FAILED: ${text}`);
  }

  nameOf(peer: string): string {
    return `node ${this.nodes.findIndex(({ peerId }) => peerId.toString() === peer)}`;
  }

  /** One node does wrong from now on: who published the first file, or where it is its disk that does, one who downloads it. */
  sabotage(kind: Sabotage): void {
    const origin = this.published[0]?.origin;
    const node = this.nodes.find((each) => (each === origin) === (kind === 'wrong-byte'));
    if (node) node.sabotage = kind;
  }

  #makeNetwork(): Network {
    const { dice } = this;
    const usualMs = dice.pick(LATENCIES_MS);
    const latencies = new Map<string, number>();
    return new Network({
      time: this.time,
      rng: seededRng(this.seed * 3 + 1),
      socketBytes: dice.pick([16 << 10, 64 << 10, 1 << 20, 4 << 20]),
      windowBytes: dice.pick([64 << 10, 256 << 10, 1 << 20, 16 << 20]),
      jitterMs: dice.pick([0, 0, 1, 20, 200]),
      isEager: dice.chance(0.5),
      pieceBytes: dice.chance(0.3) ? dice.pick([37, 900, 5000]) : Infinity,
      dialsTwice: dice.chance(0.3),
      latencyMs: (a: PeerId, b: PeerId) => {
        const pair = pairOf(a, b);
        const ms = latencies.get(pair) ?? (dice.chance(0.7) ? usualMs : dice.pick(LATENCIES_MS));
        latencies.set(pair, ms);
        return ms;
      },
    });
  }

  #makeNodes({ peers }: Cast): ModelNode[] {
    const { dice } = this;
    const usual = dice.pick(BYTES_PER_MS);
    // Of its own, so that a world without is as it would be if there were no such thing.
    const other = new Dice(this.seed * 104_729 + 7);
    const isBehindSlow = other.chance(0.25);
    return peers.slice(0, dice.int(2, MAX_NODES)).map((peerId, number) => {
      const bytesPerMs = dice.chance(0.6) ? usual : dice.pick(BYTES_PER_MS);
      const down = isBehindSlow && other.chance(0.4) ? other.pick(DOWN_BYTES_PER_MS) : Infinity;
      return new ModelNode(number, peerId, { up: bytesPerMs, down }, this);
    });
  }

  #publish({ files }: Cast): Published[] {
    const { dice, slowestBytesPerMs } = this;
    const small = files.filter(({ content }) => content.length / slowestBytesPerMs < MAX_TRANSFER_MS);
    const chosen = new Set(Array.from({ length: dice.int(1, MAX_FILES) }, () => dice.pick(small)));
    return [...chosen].map((file) => {
      const origin = dice.pick(this.nodes);
      origin.publish(file);
      return { file, origin };
    });
  }
}
