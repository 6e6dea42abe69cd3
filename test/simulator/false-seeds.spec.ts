import assert from 'node:assert/strict';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';
import { simulate } from '../../src/simulator/simulate.ts';

/** Eight honest peers and 16 MiB, with so many seeds that grant credit without end and deliver nothing. */
function crowd(falseSeeds: number): string {
  const liars = `  - { name: liars, role: seed, count: ${falseSeeds}, up: 20 Mbit/s, strategy: false-haves }`;
  return `file: 16 MiB
network: { rtt: 20-150 ms, tcp: true, loss: 0.1 %, rttError: 20 %, rttLate: 500 ms }
groups:
  - { name: origin, role: origin, up: 100 Mbit/s, down: 100 Mbit/s }
  - { name: peers, count: 8, up: 20 Mbit/s, down: 100 Mbit/s }
${falseSeeds > 0 ? liars : ''}`;
}

/** The honest peers' median finish, ms, the mean of some seeds; and whom anybody dropped. */
async function play(falseSeeds: number): Promise<{ ms: number; dropped: string[] }> {
  const seeds = [101, 102, 103, 104];
  const scenario = parseScenario(crowd(falseSeeds), 'false-seeds.yaml');
  let ms = 0;
  const dropped: string[] = [];
  for (const seed of seeds) {
    const { peers } = await simulate(scenario, { seed });
    const done = peers.filter(({ group }) => group.name === 'peers').map((p) => p.completedMs ?? Infinity);
    ms += (done.toSorted((a, b) => a - b)[4] as number) / seeds.length;
    dropped.push(...peers.flatMap(({ misbehaved }) => misbehaved.map(({ peer }) => peer)));
  }
  return { ms, dropped };
}

describe('seeds that promise everything and send nothing', function () {
  this.timeout(120_000);

  it('cost a small crowd next to nothing, be they three or eight', async () => {
    const alone = await play(0);
    const withThree = await play(3);
    assert.ok(withThree.ms <= 1.15 * alone.ms, `three: ${withThree.ms} ms, alone ${alone.ms}`);
    const withEight = await play(8);
    assert.ok(withEight.ms <= 1.3 * alone.ms, `eight: ${withEight.ms} ms, alone ${alone.ms}`);
    for (const name of [...withThree.dropped, ...withEight.dropped]) assert.match(name, /^liars/);
  });
});
