import assert from 'node:assert/strict';
import { finish, fluidBoundMs, MIB, swarmOf } from './scenario.ts';
import type { SimNode } from './world.ts';

const KIB = 1024;

describe('a simulated swarm in a mode', function () {
  for (const seed of [1, 2, 3]) {
    it(`gets all of the file from an origin that offloads it, near the bound (seed ${seed})`, () => {
      const swarm = swarmOf('equal', 10, seed, 16 * MIB, 64 * KIB);
      const offloading = swarmOf('equal', 10, seed, 16 * MIB, 64 * KIB, () => ({}), { offload: true });
      const last = finish(offloading, offloading.peers);
      const bound = fluidBoundMs(offloading);
      const usual = finish(swarm, swarm.peers) / fluidBoundMs(swarm);
      const sent = offloading.origin.uploadedBytes / offloading.world.fileBytes;
      assert.ok(sent <= 1.1, `seed ${seed}: the origin sent ${sent} times the file`);
      // The origin's uplink is a third of the swarm's here and is idle for most of the time.
      assert.ok(last / bound < 1.6 * usual, `seed ${seed}: ${last / bound} against ${usual}`);
    });
  }

  it('serves a free-rider like everybody else in a fleet', () => {
    const fleet = swarmOf('equal', 10, 1, 16 * MIB, 64 * KIB, (i) => ({
      isFreeRider: i === 0,
      config: { fleet: true },
    }));
    finish(fleet, fleet.peers);
    const [rider, ...others] = fleet.peers as [SimNode, ...SimNode[]];
    const slowest = Math.max(...others.map((peer) => peer.completedAtMs ?? Infinity));
    assert.ok((rider.completedAtMs ?? Infinity) <= 1.1 * slowest, `${rider.completedAtMs} and ${slowest} ms`);
  });

  it('ends no later in a fleet than among strangers where uplinks differ', () => {
    const config = { fleet: true };
    let ofFleet = 0;
    let ofStrangers = 0;
    for (const seed of [1, 2, 3]) {
      const fleet = swarmOf('mixed', 10, seed, 32 * MIB, 64 * KIB, () => ({ config }), config);
      const strangers = swarmOf('mixed', 10, seed, 32 * MIB, 64 * KIB);
      ofFleet += finish(fleet, fleet.peers);
      ofStrangers += finish(strangers, strangers.peers);
    }
    assert.ok(ofFleet <= 1.03 * ofStrangers, `${ofFleet} and ${ofStrangers} ms`);
  });
});
