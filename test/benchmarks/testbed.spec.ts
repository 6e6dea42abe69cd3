import assert from 'node:assert/strict';
import { parseCommand } from '../../benchmarks/testbed/command.ts';
import { parseCounter, parseCpu } from '../../benchmarks/testbed/counters.ts';
import { crossedAfter, lastOf, type BedOutcome, type NodeOutcome } from '../../benchmarks/testbed/outcome.ts';
import { planOf } from '../../benchmarks/testbed/plan.ts';
import { row, spread, table } from '../../benchmarks/testbed/report.ts';
import { missing, type Machine } from '../../benchmarks/testbed/requirements.ts';
import { idIn, isAlive, names, ownerOf, runId } from '../../benchmarks/testbed/run-id.ts';
import { misses } from '../../benchmarks/testbed/targets.ts';
import type { Group, Scenario } from '../../src/simulator/scenario.ts';

function group(changes: Partial<Group>): Group {
  return {
    name: 'peers',
    count: 1,
    role: 'peer',
    up: 20e6,
    down: 1e9,
    strategy: 'honest',
    joinSec: [0, 0],
    leavesWhenDone: false,
    diskBytesPerSec: Infinity,
    mode: 'normal',
    ...changes,
  };
}

function scenario(changes: Partial<Scenario>): Scenario {
  return {
    name: 'test',
    fileBytes: 1 << 20,
    network: {
      rttMs: [0.2, 0.2],
      loss: 0,
      tcp: false,
      rttError: 0,
      rttLateMs: 0,
      uplink: 'shared',
      queueMs: 0,
      headers: false,
      meet: 'origin',
    },
    groups: [group({ name: 'origin', role: 'origin' }), group({ count: 3 })],
    events: [],
    limitSec: 60,
    ...changes,
  };
}

function node(changes: Partial<NodeOutcome>): NodeOutcome {
  return {
    name: 'peer',
    group: 'peers',
    role: 'peer',
    freeRider: false,
    up: 20e6,
    down: 1e9,
    joinSec: 0,
    finishedSec: 10,
    correct: true,
    failure: undefined,
    sentBytes: 0,
    receivedBytes: 0,
    ...changes,
  };
}

function outcome(nodes: NodeOutcome[], changes: Partial<BedOutcome> = {}): BedOutcome {
  return {
    system: 'shoal',
    version: '1',
    scenario: 'bed-equal',
    run: 1,
    fileBytes: 1 << 20,
    startUpSec: 1,
    boundSec: 10,
    lastSec: lastOf(nodes),
    originFiles: 1.02,
    eventsSec: [],
    crossedAfterSec: undefined,
    cpu: 0.5,
    ownCpu: 0.4,
    loadBefore: 0,
    delayLineDrops: 0,
    notes: [],
    nodes,
    timeline: { everyMs: 100, atMs: [], cpu: [], cpuSec: [], sent: {}, received: {}, trunks: [] },
    ...changes,
  };
}

describe('what the test bed makes of a scenario', () => {
  it('gives each peer a host of its own, named after its group, and spreads the joins evenly', () => {
    const { members } = planOf(
      scenario({
        groups: [group({ name: 'origin', role: 'origin' }), group({ count: 3, joinSec: [0, 10] })],
      }),
    );
    assert.deepEqual(
      members.map(({ name, joinSec }) => [name, joinSec]),
      [
        ['origin', 0],
        ['peers-1', 0],
        ['peers-2', 5],
        ['peers-3', 10],
      ],
    );
  });

  it('does not shape a downlink that nobody limited', () => {
    const { members } = planOf(
      scenario({ groups: [group({ role: 'origin', down: 1e9 }), group({ name: 'b', down: 1e8 })] }),
    );
    assert.deepEqual(
      members.map(({ down }) => down),
      [Infinity, 1e8],
    );
  });

  it('puts the delay line in only where there is a round trip, and says what it made of a range', () => {
    assert.equal(planOf(scenario({})).rttMs, 0);
    const far = planOf(scenario({ network: { ...scenario({}).network, rttMs: [50, 150] } }));
    assert.equal(far.rttMs, 100);
    assert.match(far.notes.join('\n'), /100 ms in place of 50–150 ms/);
  });

  it('says what only the simulator has', () => {
    const { network } = scenario({});
    const notes = planOf(scenario({ network: { ...network, loss: 0.01, rttError: 0.2 } })).notes.join('\n');
    assert.match(notes, /loss is the simulator’s/);
    assert.match(notes, /rttError/);
  });

  it('puts the groups of a split on bridges of their own', () => {
    const groups = [
      group({ name: 'origin', role: 'origin' }),
      group({ name: 'left' }),
      group({ name: 'right' }),
    ];
    const { members } = planOf(
      scenario({
        groups,
        events: [{ type: 'split', when: { atSec: 1 }, parts: [['origin', 'left'], ['right']], forSec: 2 }],
      }),
    );
    assert.deepEqual(
      members.map(({ part }) => part),
      [1, 1, 2],
    );
  });

  it('refuses strategies that no real program has, rather than to measure something else', () => {
    assert.throws(
      () =>
        planOf(
          scenario({ groups: [group({ role: 'origin' }), group({ name: 'x', strategy: 'whitewash' })] }),
        ),
      /group "x" play whitewash.*the simulator can/,
    );
    assert.throws(() => planOf(scenario({ groups: [group({})] })), /no origin/);
  });
});

describe('the statistics that the test bed reads', () => {
  it('takes a counter as a whole number and nothing else', () => {
    assert.equal(parseCounter('13088368\n', 'x'), 13_088_368);
    assert.throws(() => parseCounter('', 'statistics/rx_bytes'), /statistics\/rx_bytes/);
    assert.throws(() => parseCounter('-1\n', 'x'), /count of bytes/);
  });

  it('counts waiting for disks as idle', () => {
    assert.deepEqual(parseCpu('cpu  10 0 5 80 5 0 0 0 0 0\ncpu0 1 2 3\n'), { busy: 15, all: 100 });
  });

  it('sees data cross after a heal, and not the handshakes before it', () => {
    const atMs = [100, 200, 300, 400, 500];
    assert.equal(crossedAfter({ atMs, trunks: [[5e6, 5e6, 5e6 + 2000, 5e6 + 2000, 6e6]] }, 0.2), 0.3);
    assert.equal(crossedAfter({ atMs, trunks: [[5e6, 5e6, 5e6, 5e6, 5e6]] }, 0.2), undefined);
  });
});

describe('the test bed’s report', () => {
  it('gives the median with the least and the most', () => {
    assert.equal(spread([3, 1, 2], 1), '2.0 (1.0–3.0)');
    assert.equal(spread([undefined], 1), '–');
    assert.equal(spread([1.234], 2), '1.23');
  });

  it('divides the last contributor’s finish by the bound and leaves free-riders out', () => {
    const run = outcome([node({ finishedSec: 11 }), node({ freeRider: true, finishedSec: 40 })]);
    assert.equal(row([run])[2], '1.100');
    assert.equal(row([run]).at(-1), 'ok');
  });

  it('marks a target that was missed, a peer that never finished and a file that is wrong', () => {
    assert.deepEqual(misses(outcome([node({ finishedSec: 12 })]), { lastOverBound: 1.1 }), [
      'last above 1.1',
    ]);
    assert.deepEqual(misses(outcome([node({ finishedSec: undefined, correct: undefined })]), undefined), [
      '0 of 1 finished',
    ]);
    assert.deepEqual(misses(outcome([node({}), node({ correct: false })]), undefined), [
      '1 of 2 finished',
      '1 wrong file',
    ]);
    assert.deepEqual(misses(outcome([node({})], { crossedAfterSec: 6 }), { crossedSec: 5 }), [
      'nothing crossed within 5 s',
    ]);
  });

  it('puts the runs of a scenario on one line, in columns that line up', () => {
    const lines = table([
      outcome([node({ finishedSec: 10.5 })]),
      outcome([node({ finishedSec: 12 })], { run: 2 }),
      outcome([node({})], { scenario: 'bed-x' }),
    ]).split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[1] ?? '', /^bed-equal {2}shoal {3}1\.050 \(1\.050–1\.200\).*MISS: last above 1\.1$/);
    assert.equal(lines[0]?.indexOf('origin F'), lines[1]?.indexOf('1.02'));
  });
});

describe('the test bed’s command line', () => {
  it('takes scenarios, runs and systems', () => {
    const command = parseCommand([
      'bed-equal',
      '--runs',
      '5',
      '--systems',
      'shoal,aria2',
      '--set',
      'peers=3',
    ]);
    assert.deepEqual(command.scenarios, ['bed-equal']);
    assert.equal(command.runs, 5);
    assert.deepEqual(command.systems, ['shoal', 'aria2']);
    assert.deepEqual(command.set, ['peers=3']);
  });

  it('says what is wrong', () => {
    assert.throws(() => parseCommand(['--runs', '0']), /--runs 0 is not a number of runs/);
    assert.throws(() => parseCommand(['--systems', ',']), /names no system/);
    assert.throws(() => parseCommand(['--speed', '9']), /--speed/);
  });
});

describe('what the test bed needs', () => {
  const machine: Machine = {
    platform: 'linux',
    uid: 0,
    hasProgram: () => true,
    hasNetworkFolder: true,
    shmFreeBytes: 1e9,
  };

  it('is silent where all is there', () => {
    assert.deepEqual(missing(machine, { delayLine: true, bytes: 1e6 }), []);
  });

  it('names the Debian package of what is missing, and asks for a compiler only where one is used', () => {
    const bare = { ...machine, uid: 1000, hasProgram: () => false };
    const said = missing(bare, { delayLine: false, bytes: 1e6 }).join('\n');
    assert.match(said, /needs root/);
    assert.match(said, /apt-get install iproute2/);
    assert.doesNotMatch(said, /gcc/);
    assert.match(missing(bare, { delayLine: true, bytes: 1e6 }).join('\n'), /apt-get install gcc/);
    assert.match(missing(machine, { delayLine: false, bytes: 2e9 }).join('\n'), /2000 MB on \/dev\/shm/);
    assert.match(
      missing({ ...machine, platform: 'darwin' }, { delayLine: false, bytes: 1 })[0] ?? '',
      /needs Linux/,
    );
  });
});

describe('the names of a test bed’s things', () => {
  it('say which process owns them, and fit into 15 characters', () => {
    const id = runId();
    assert.equal(isAlive(id), true);
    assert.equal(idIn(names.namespace(id, 'h3')), id);
    assert.equal(idIn(names.link(id, 'h249')), id);
    assert.ok(names.link('2hwcgxzz', 'h249').length <= 15);
  });

  it('tell the owner also where the sign between its numbers is a digit of one of them', () => {
    assert.deepEqual(ownerOf('h0ixcx'), { pid: parseInt('h0i', 36), start: 'cx' });
    assert.deepEqual(ownerOf('1xaxx0'), { pid: parseInt('1xa', 36), start: 'x0' });
    assert.equal(idIn('sb1xaxx0-h3'), '1xaxx0');
  });

  it('tell a dead owner, also where its process number lives on, and leave other names alone', () => {
    const [pid] = runId().split('x');
    assert.equal(isAlive(`${pid}x`), false);
    assert.equal(idIn('eth0'), undefined);
    assert.equal(idIn('shoal-bench-abc'), undefined);
  });
});
