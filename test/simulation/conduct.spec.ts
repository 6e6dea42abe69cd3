import assert from 'node:assert/strict';
import type { Group, Scenario } from '../../src/simulator/scenario.ts';
import { simulate } from '../../src/simulator/simulate.ts';

const MBIT = 1e6;
const MIB = 1024 * 1024;

function group(name: string, count: number, changes: Partial<Group> = {}): Group {
  return {
    name,
    count,
    role: 'peer',
    up: 20 * MBIT,
    down: 100 * MBIT,
    strategy: 'honest',
    joinSec: [0, 0],
    leavesWhenDone: false,
    diskBytesPerSec: Infinity,
    mode: 'normal',
    ...changes,
  };
}

function scenario(name: string, groups: Group[], changes: Partial<Scenario> = {}): Scenario {
  return {
    name,
    fileBytes: 8 * MIB,
    network: {
      rttMs: [20, 150],
      loss: 0,
      tcp: true,
      rttError: 0.2,
      rttLateMs: 300,
      uplink: 'shared',
      queueMs: 0,
      headers: false,
      meet: 'random',
    },
    groups: [group('origin', 1, { role: 'origin', up: 100 * MBIT }), ...groups],
    events: [],
    limitSec: 900,
    ...changes,
  };
}

const TROUBLE: Scenario[] = [
  scenario('links that lose one segment in twenty', [group('peer', 8)], {
    network: { ...scenario('', []).network, loss: 0.05 },
  }),
  scenario('disks that write 100 kB/s', [group('slow', 4, { diskBytesPerSec: 100_000 }), group('peer', 4)]),
  scenario(
    'stalls of nine seconds',
    [group('stalled', 4, { up: 2 * MBIT }), group('peer', 4, { up: 2 * MBIT })],
    {
      events: [2, 14, 26, 38].map((atSec) => ({
        type: 'cut',
        when: { atSec },
        groups: ['stalled'],
        forSec: 9,
      })),
    },
  ),
  scenario('cuts that end links', [group('cut', 4, { up: 2 * MBIT }), group('peer', 4, { up: 2 * MBIT })], {
    events: [2, 24].map((atSec) => ({ type: 'cut', when: { atSec }, groups: ['cut'], forSec: 15 })),
  }),
  scenario('peers that come and go', [group('peer', 8, { up: 2 * MBIT, churn: { upSec: 15, downSec: 5 } })]),
  scenario('uplinks of 64 kbit/s beside fast ones', [group('slow', 4, { up: 64_000 }), group('peer', 4)]),
];

describe('the conduct of simulated peers', function () {
  for (const each of TROUBLE) {
    it(`drops nobody for ${each.name}, and all finish`, async () => {
      for (const seed of [1, 2]) {
        const { peers } = await simulate(each, { seed });
        const dropped = peers.flatMap(({ name, misbehaved }) => misbehaved.map((m) => ({ by: name, ...m })));
        assert.deepEqual(dropped, [], `seed ${seed}`);
        const late = peers.filter(
          ({ group: { role }, completedMs }) => role === 'peer' && completedMs === undefined,
        );
        assert.deepEqual(
          late.map(({ name }) => name),
          [],
          `seed ${seed}`,
        );
      }
    });
  }

  it('drops peers that claim all and deliver nothing, and loses little time by them', async () => {
    const honest = group('peer', 8);
    const alone = await simulate(scenario('honest', [honest], { fileBytes: 64 * MIB }), { seed: 3 });
    const liars = group('liar', 3, { strategy: 'false-haves' });
    const among = await simulate(
      scenario('false haves', [honest, liars], { fileBytes: 64 * MIB, limitSec: 300 }),
      { seed: 3 },
    );
    const last = ({ peers }: typeof alone): number =>
      Math.max(...peers.filter((p) => p.group.name === 'peer').map((p) => p.completedMs ?? Infinity));
    // Three more to serve, and chunks that are waited for ten seconds each, are the cost.
    assert.ok(last(among) - last(alone) < 40_000, `${last(among)} ms in place of ${last(alone)}`);
    const dropped = new Set(among.peers.flatMap(({ misbehaved }) => misbehaved.map(({ peer }) => peer)));
    for (const name of dropped) assert.match(name, /^liar/);
  });
});
