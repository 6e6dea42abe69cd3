import type { ModelNode } from './model-node.ts';
import { scheduleChaos, type ActionName } from './chaos.ts';
import type { Sabotage } from './model-disk.ts';
import type { Cast } from './model-files.ts';
import type { VirtualTime } from './virtual-time.ts';
import { World } from './world.ts';

/** Every fourth seed has none but users. */
const CALM_EVERY = 4;

/** Downloads that could go on are given this, and thrice what all of them take over the slowest uplink. */
const GENEROUS_MS = 200_000;

/** What follows the last chunk (links that are given up, looks for others) has come to rest after this. */
const REST_MS = 130_000;

/** So long it is then watched how much is still said. */
const WATCH_MS = 100_000;

/** What a node may say at rest, of each other: links are asked now and then whether they are alive. */
const MESSAGES_PER_SEC_AT_REST = 0.2;

const REDIAL_MS = 10_000;

/** What {@link runSeed} takes. */
export interface RunOptions {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly cast: Cast;
  readonly sabotage?: Sabotage | undefined;
  /** Gets a line for all that happens. */
  readonly onLog?: ((line: string) => void) | undefined;
  readonly onAct?: ((name: ActionName) => void) | undefined;
}

/**
 * Plays the world of a seed: chaos for a while, then all is mended, and everyone is to have everything after a generous time;
 * then all is to be quiet. At no time may an honest node be cut off, anything be uncaught or logged as an error, a wrong chunk
 * be written, or the books of a core not tally.
 *
 * @returns what went wrong; empty where nothing did
 */
export async function runSeed(options: RunOptions): Promise<readonly string[]> {
  const { seed, time, cast, onLog } = options;
  const world = new World(seed, time, cast, onLog);
  const uncaught = (error: unknown): void =>
    world.fail(`uncaught: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', uncaught);
  try {
    await play(world, options);
    for (const node of world.nodes) await node.stop(true);
    await time.run(3000);
  } finally {
    process.off('uncaughtException', uncaught);
    process.off('unhandledRejection', uncaught);
  }
  return world.failures;
}

async function play(world: World, options: RunOptions): Promise<void> {
  for (const node of world.nodes) await node.start();
  if (options.sabotage) world.sabotage(options.sabotage);
  if (await chaos(world, options)) return;
  await mend(world);
  if (await downloads(world)) return;
  await rests(world);
}

/** @returns whether something went wrong; so below */
async function chaos(world: World, { seed, onAct = () => {} }: RunOptions): Promise<boolean> {
  const isCalm = seed % CALM_EVERY === 0;
  const forMs = isCalm ? 20_000 : world.dice.pick([20_000, 60_000, 200_000]);
  const actions = isCalm ? 12 : world.dice.int(10, 70);
  scheduleChaos(world, { forMs, actions, isCalm, onAct });
  return world.time.run(forMs, () => hasFailed(world));
}

/** All nodes are up and reach each other, nothing fails any more, and all want everything. */
async function mend(world: World): Promise<void> {
  world.log('all is mended');
  world.network.mendAll();
  for (const node of world.nodes) {
    node.resume();
    await node.start();
    for (const disk of node.disks.values()) disk.repair();
    node.setLimits({});
    for (const { file } of world.published) node.setAssetLimits(file, {});
  }
  for (const { file, origin } of world.published) {
    if (world.dice.chance(0.5)) origin.join(file, 'none');
    for (const node of world.nodes) {
      if (node === origin) continue;
      node.join(file, 'all');
      node.want(file, 'all');
    }
  }
}

async function downloads(world: World): Promise<boolean> {
  const { nodes, published, time } = world;
  const bytes = published.reduce((sum, { file }) => sum + file.content.length, 0);
  const untilMs = time.nowMs + GENEROUS_MS + (3 * bytes * nodes.length) / world.slowestBytesPerMs;
  for (let round = 0; time.nowMs < untilMs; round++) {
    if (round % (REDIAL_MS / 500) === 0) introduce(world);
    if (await time.run(500, () => hasFailed(world))) return true;
    if (nodes.every((node) => published.every(({ file }) => lacking(node, file.root) === 0))) return false;
  }
  for (const node of nodes) {
    const lacks = published.map(({ file }) => lacking(node, file.root));
    if (lacks.some((count) => count > 0))
      world.fail(`node ${node.number} does not finish, and lacks ${lacks} chunks`);
  }
  return true;
}

/** All are told of all, as by a DHT. */
function introduce({ nodes, published }: World): void {
  for (const { file } of published) {
    for (const node of nodes) {
      for (const other of nodes) if (other !== node && !node.isLinkedTo(other)) node.addContact(other, file);
    }
  }
}

async function rests(world: World): Promise<void> {
  const { nodes, time } = world;
  if (await time.run(REST_MS, () => hasFailed(world))) return;
  const before = nodes.map(({ messagesSent }) => messagesSent);
  if (await time.run(WATCH_MS, () => hasFailed(world))) return;
  if (world.hasFewLinks) return;
  for (const [n, node] of nodes.entries()) {
    const perSec = (1000 * (node.messagesSent - (before[n] as number))) / WATCH_MS;
    if (perSec > MESSAGES_PER_SEC_AT_REST * nodes.length)
      world.fail(`node ${n} is not quiet at rest: ${perSec} messages a second`);
  }
}

function hasFailed({ failures }: World): boolean {
  return failures.length > 0;
}

/** Chunks of an asset that are not on the node's disk; infinitely many where nothing of it is. */
function lacking(node: ModelNode, root: { toString(): string }): number {
  const here = node.disks.get(root.toString())?.here;
  return here ? here.size - here.count : Infinity;
}
