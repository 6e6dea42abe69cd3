import assert from 'node:assert/strict';
import type { Wanted } from '../../src/swarm/core/asset-swarm.ts';
import { seededRng } from '../../src/swarm/core/rng.ts';
import { finish, fluidBoundMs, MIB, swarmOf } from './scenario.ts';
import { Player } from './streaming.ts';
import { ASSET, World } from './world.ts';

const KIB = 1024;

interface Outcome {
  /** Mean and last finish of the nine that download, ms. */
  meanMs: number;
  lastMs: number;
  player: Player | undefined;
}

/** Ten peers, of which the first plays at a rate that takes 1.4 times as long as the download at best. */
function run(kind: 'equal' | 'mixed', seed: number, mode: 'downloads' | 'plays' | 'seeks'): Outcome {
  const isPlayer = (i: number): boolean => i === 0 && mode !== 'downloads';
  const swarm = swarmOf(kind, 10, seed, 24 * MIB, 64 * KIB, (i) => (isPlayer(i) ? { wanted: 'none' } : {}));
  const [first, ...others] = swarm.peers;
  assert.ok(first);
  const bytesPerSec = swarm.world.fileBytes / ((1.4 * fluidBoundMs(swarm)) / 1000);
  const seeks = mode === 'seeks' ? { seekMs: 1000, rng: seededRng(seed) } : {};
  const player =
    mode === 'downloads'
      ? undefined
      : new Player(swarm.world, first, { bytesPerSec, startMs: 2000, ...seeks });
  const lastMs = finish(swarm, others, 120_000);
  const meanMs =
    others.reduce((sum, { completedAtMs }) => sum + (completedAtMs ?? Infinity), 0) / others.length;
  swarm.world.run(120_000, () => !player || player.isDone);
  for (const node of swarm.world.nodes.values()) node.exchange.checkInvariants();
  return { meanMs, lastMs, player };
}

describe('a simulated swarm with a player', function () {
  for (const kind of ['equal', 'mixed'] as const) {
    it(`lets it play without a stall, at a cost to others below 5 % (${kind} uplinks)`, () => {
      for (const seed of [1, 2]) {
        const alone = run(kind, seed, 'downloads');
        const { player, meanMs, lastMs } = run(kind, seed, 'plays');
        const told = `seed ${seed}: mean ${meanMs / alone.meanMs}, last ${lastMs / alone.lastMs}`;
        assert.ok(meanMs < 1.05 * alone.meanMs && lastMs < 1.05 * alone.lastMs, told);
        assert.ok(player?.isDone, `seed ${seed}: it never ended`);
        assert.equal(player.stalledMs, 0, `seed ${seed}: stalled for ${player.stalledMs} ms`);
        assert.ok(
          (player.startedAtMs ?? Infinity) < 10_000,
          `seed ${seed}: began at ${player.startedAtMs} ms`,
        );
      }
    });

    it(`costs others less than 5 % where it seeks every second (${kind} uplinks)`, () => {
      for (const seed of [1, 2]) {
        const alone = run(kind, seed, 'downloads');
        const { meanMs, lastMs } = run(kind, seed, 'seeks');
        const told = `seed ${seed}: mean ${meanMs / alone.meanMs}, last ${lastMs / alone.lastMs}`;
        assert.ok(meanMs < 1.05 * alone.meanMs && lastMs < 1.05 * alone.lastMs, told);
      }
    });
  }
});

describe('a simulated reader of many small files', () => {
  it('has each after two round trips, however many it reads one after another', () => {
    const rttMs = 2;
    const files = 300;
    const world = new World({ seed: 7, chunks: files, chunkBytes: 4 * KIB, rttMs });
    const fast = { up: 100e6, down: 100e6 };
    const seed = world.add({ name: 'seed', ...fast, isSeed: true });
    const reader = world.add({ name: 'reader', ...fast, wanted: 'none' });
    world.connect(seed, reader);
    const want = (wanted: Wanted, urgent: number[]): void =>
      world.handle(reader, { type: 'want', asset: ASSET, wanted, urgent, dueInMs: undefined });
    for (let file = 0; file < files; file++) {
      want([{ from: file, count: 1 }], [file]);
      world.run(60_000, () => reader.have.has(file));
      want('none', []);
    }
    assert.equal(reader.have.count, files);
    assert.ok(world.nowMs < files * 2.5 * rttMs, `${world.nowMs} ms`);
    assert.deepEqual(seed.misbehaved, []);
  });
});
