import type { ExchangeConfig } from '../../src/swarm/core/exchange-config.ts';
import type { SimNode } from './world.ts';
import { World, type NodeOptions } from './world.ts';

export const MBIT = 1_000_000;
export const MIB = 1024 * 1024;

export interface Swarm {
  world: World;
  origin: SimNode;
  peers: SimNode[];
}

/** Uplinks and downlinks in bit/s. `equal`: 20 up, 100 down. `mixed`: half 5/50, 30 % 20/100, 20 % 100/500. */
export function bandwidths(kind: 'equal' | 'mixed', count: number): { up: number; down: number }[] {
  return Array.from({ length: count }, (_, i) => {
    if (kind === 'equal') return { up: 20 * MBIT, down: 100 * MBIT };
    const share = i / count;
    if (share < 0.5) return { up: 5 * MBIT, down: 50 * MBIT };
    return share < 0.8 ? { up: 20 * MBIT, down: 100 * MBIT } : { up: 100 * MBIT, down: 500 * MBIT };
  });
}

/** An origin with 100 Mbit/s and `count` peers, each linked with each. */
export function swarmOf(
  kind: 'equal' | 'mixed',
  count: number,
  seed: number,
  fileBytes: number,
  chunkBytes: number,
  each: (i: number) => Partial<NodeOptions> = () => ({}),
  originConfig: ExchangeConfig = {},
): Swarm {
  const world = new World({ seed, chunks: Math.ceil(fileBytes / chunkBytes), chunkBytes });
  const origin = world.add({
    name: 'origin',
    up: 100 * MBIT,
    down: 100 * MBIT,
    isOrigin: true,
    config: originConfig,
  });
  const peers = bandwidths(kind, count).map((speed, i) =>
    world.add({ name: `peer${i}`, ...speed, ...each(i) }),
  );
  world.connectAll();
  return { world, origin, peers };
}

/** The fluid bound of Kumar and Ross (2006), ms: no schedule can be faster. Counts contributors' uplinks only. */
export function fluidBoundMs({ world, origin, peers }: Swarm): number {
  const bits = world.fileBytes * 8;
  const uplinks = peers
    .filter((peer) => !peer.options.isFreeRider)
    .reduce((sum, peer) => sum + peer.options.up, 0);
  const slowest = Math.min(...peers.map((peer) => peer.options.down));
  const bound = Math.max(
    bits / origin.options.up,
    bits / slowest,
    (peers.length * bits) / (origin.options.up + uplinks),
  );
  return bound * 1000;
}

/** Runs until all given nodes are complete. @returns when the last was, in ms; Infinity where one never is */
export function finish({ world }: Swarm, nodes: readonly SimNode[], limitMs = 600_000): number {
  world.run(limitMs, () => nodes.every((node) => node.completedAtMs !== undefined));
  return Math.max(...nodes.map((node) => node.completedAtMs ?? Infinity));
}
