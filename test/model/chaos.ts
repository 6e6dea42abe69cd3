import type { MemoryFile } from '../swarm/shell/memory-asset.ts';
import type { ModelDisk } from './model-disk.ts';
import type { ModelNode } from './model-node.ts';
import type { World } from './world.ts';

/** What an action is done to, drawn anew for each. */
interface Scene {
  readonly world: World;
  readonly node: ModelNode;
  readonly other: ModelNode;
  readonly file: MemoryFile;
  readonly isOrigin: boolean;
  /** What the node has of the file. */
  readonly disk: ModelDisk | undefined;
}

interface Kind {
  /** Of all kinds, how often. */
  readonly weight: number;
  /** What users do, and no trouble. */
  readonly isCalm?: boolean;
  readonly act: (scene: Scene) => void | Promise<void>;
}

const RATES = [2e4, 2e5, 2e6, undefined];

const KINDS = {
  dial: { weight: 4, isCalm: true, act: ({ node, other, file }) => node.addContact(other, file) },
  'dial each other': {
    weight: 1,
    isCalm: true,
    act: ({ node, other, file }) => {
      node.addContact(other, file);
      other.addContact(node, file);
    },
  },
  join: {
    weight: 3,
    isCalm: true,
    act: ({ node, file, isOrigin }) => node.join(file, isOrigin ? 'none' : 'all'),
  },
  leave: { weight: 1, isCalm: true, act: ({ node, file }) => node.leave(file) },
  'leave and join': { weight: 1, isCalm: true, act: leaveAndJoin },
  want: { weight: 1, isCalm: true, act: want },
  'fetch nodes': {
    weight: 1,
    isCalm: true,
    act: ({ world, node, file }) => node.fetchNodes(file, world.dice.pick([50, 500, 3000, 20_000])),
  },
  'cut a connection': { weight: 1, act: cutConnection },
  'reset a stream': { weight: 1, act: resetStream },
  'lose a connection silently': { weight: 1, act: loseConnection },
  suspend: {
    weight: 2,
    act: ({ world, node }) => node.suspend(draw(world, [300, 3500, 12_000, 40_000, 130_000])),
  },
  restart: { weight: 2, act: restart },
  'limit a node': { weight: 1, act: limitNode },
  'limit an asset': {
    weight: 1,
    act: ({ world: { dice }, node, file }) =>
      node.setAssetLimits(file, {
        uploadBytesPerSec: dice.pick(RATES),
        downloadBytesPerSec: dice.pick(RATES),
      }),
  },
  'lose a chunk': {
    weight: 1,
    act: ({ world, disk, file }) =>
      void disk?.unreadable.add(world.dice.int(0, file.manifest.chunkCount - 1)),
  },
  'fail to read': { weight: 1, act: (scene) => failFor(scene, 'isFailing') },
  'fail to write': { weight: 1, act: (scene) => failFor(scene, 'isFull') },
  'remove an asset': {
    weight: 1,
    act: ({ node, file, isOrigin }) => (isOrigin ? undefined : node.remove(file)),
  },
  'slow a disk': { weight: 1, act: slowDisk },
  'cut two nodes apart': { weight: 1, act: cutApart },
} satisfies Record<string, Kind>;

/** A kind of action. */
export type ActionName = keyof typeof KINDS;

/** All there are. */
export const ACTION_NAMES = Object.keys(KINDS) as ActionName[];

/** Spreads actions over the time to come, more of them at its beginning. @param onAct told of each */
export function scheduleChaos(
  world: World,
  options: { forMs: number; actions: number; isCalm: boolean; onAct: (name: ActionName) => void },
): void {
  const { dice, time } = world;
  const names = ACTION_NAMES.flatMap((name) => {
    const kind: Kind = KINDS[name];
    return kind.isCalm || !options.isCalm ? Array.from({ length: kind.weight }, () => name) : [];
  });
  for (let n = 0; n < options.actions; n++) {
    const within = options.forMs * (n < 6 ? 0.1 : 1);
    time.after(world.rng() * within, undefined, () => {
      const name = dice.pick(names);
      options.onAct(name);
      void act(world, name);
    });
  }
}

async function act(world: World, name: ActionName): Promise<void> {
  const { dice } = world;
  const node = dice.pick(world.nodes);
  const other = dice.pick(world.nodes.filter((each) => each !== node));
  const { file, origin } = dice.pick(world.published);
  const disk = node.disks.get(file.root.toString());
  world.log(`ACTION ${name}: node ${node.number}, node ${other.number}, ${file.content.length} bytes`);
  try {
    await KINDS[name].act({ world, node, other, file, isOrigin: node === origin, disk });
  } catch (error) {
    world.fail(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
  }
}

/** Up to one of these. */
function draw({ dice, rng }: World, upTo: readonly number[]): number {
  return dice.pick(upTo) * rng();
}

function leaveAndJoin({ world, node, file, isOrigin }: Scene): void {
  node.leave(file);
  const wanted = isOrigin || world.dice.chance(0.1) ? 'none' : 'all';
  world.time.after(draw(world, [0, 1, 20, 300, 3000]), undefined, () => node.join(file, wanted));
}

function want({ world: { dice }, node, file }: Scene): void {
  const chunk = dice.int(0, file.manifest.chunkCount - 1);
  node.want(file, dice.chance(0.6) ? 'all' : 'none', chunk, dice.pick([0, 100, 5000]));
}

function cutConnection({ world, node }: Scene): void {
  const { endpoint } = node;
  if (!endpoint || endpoint.connections.size === 0) return;
  const connection = world.dice.pick([...endpoint.connections]);
  world.time.as(endpoint.actor, () => connection.abort(new Error('cut')));
}

function resetStream({ world, node }: Scene): void {
  const { endpoint } = node;
  const streams = [...(endpoint?.connections ?? [])].flatMap((connection) => connection.streams);
  if (!endpoint || streams.length === 0) return;
  const stream = world.dice.pick(streams);
  world.time.as(endpoint.actor, () => stream.abort(new Error('reset')));
}

/** As when a router forgets it. */
function loseConnection({ world, node }: Scene): void {
  const connections = [...(node.endpoint?.connections ?? [])];
  if (connections.length > 0) world.dice.pick(connections).lose();
}

async function restart({ world, node }: Scene): Promise<void> {
  await node.stop(world.dice.chance(0.7));
  world.time.after(draw(world, [0, 10, 1000, 30_000]), undefined, () => void node.start());
}

function limitNode({ world: { dice }, node }: Scene): void {
  if (dice.chance(0.3)) return node.setLimits({});
  const perPeer = dice.chance(0.3) ? { uploadBytesPerSec: dice.pick([2e4, 1e6]) } : {};
  node.setLimits({ uploadBytesPerSec: dice.pick(RATES), downloadBytesPerSec: dice.pick(RATES), perPeer });
}

function failFor({ world, disk }: Scene, how: 'isFailing' | 'isFull'): void {
  if (!disk) return;
  disk[how] = true;
  world.time.after(world.dice.pick([100, 3000, 40_000]), undefined, () => void (disk[how] = false));
}

function slowDisk({ world: { dice }, disk }: Scene): void {
  if (!disk) return;
  disk.readMs = dice.pick([0, 5, 200, 3000]);
  disk.writeMs = dice.pick([0, 5, 200]);
}

function cutApart({ world, node, other }: Scene): void {
  const { network, time, dice } = world;
  network.cut(node.peerId, other.peerId);
  for (const connection of node.endpoint?.connections ?? []) {
    if (connection.remotePeer.equals(other.peerId)) connection.lose();
  }
  time.after(dice.pick([1000, 20_000]), undefined, () => network.mend(node.peerId, other.peerId));
}
