import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShoalError } from '../../src/errors.ts';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';

const GOOD = `about: what it is
file: 64 MiB
groups:
  - name: origin
    role: origin
    up: 100 Mbit/s
  - name: peers
    count: 10
    up: 20 Mbit/s
    down: 100 Mbit/s
`;

/** Reads `text`, which must fail with a message that has all of `parts`. */
function fails(text: string, parts: readonly string[], settings: readonly string[] = []): void {
  assert.throws(
    () => parseScenario(text, 'some.yaml', settings),
    (error) => {
      assert.ok(error instanceof ShoalError, String(error));
      assert.equal(error.code, 'ERR_BAD_SCENARIO');
      for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`);
      return true;
    },
  );
}

/** {@link GOOD} with a line more for its peers. */
const peersWith = (line: string): string => `${GOOD}    ${line}\n`;

describe('a scenario file', () => {
  it('fills in what is not said', () => {
    assert.deepEqual(parseScenario(GOOD, 'some.yaml'), {
      name: 'some',
      about: 'what it is',
      fileBytes: 64 * 1024 * 1024,
      chunkBytes: undefined,
      network: {
        rttMs: [20, 150],
        loss: 0,
        tcp: false,
        rttError: 0,
        rttLateMs: 0,
        uplink: 'fifo',
        queueMs: 0,
        headers: false,
        meet: 'random',
      },
      groups: [
        {
          name: 'origin',
          count: 1,
          role: 'origin',
          up: 100e6,
          down: 1e9,
          strategy: 'honest',
          joinSec: [0, 0],
          leavesWhenDone: false,
          diskBytesPerSec: Infinity,
          churn: undefined,
          mode: 'normal',
        },
        {
          name: 'peers',
          count: 10,
          role: 'peer',
          up: 20e6,
          down: 100e6,
          strategy: 'honest',
          joinSec: [0, 0],
          leavesWhenDone: false,
          diskBytesPerSec: Infinity,
          churn: undefined,
          mode: 'normal',
        },
      ],
      events: [],
      limitSec: 90,
    });
  });

  it('takes every key with its unit', () => {
    const text = `file: 1.5 GiB
chunk: 256 KiB
peers: 10
limit: 5 min
network:
  rtt: 0.2-3 ms
  loss: 0.1 %
  tcp: true
  rttError: 20 %
  rttLate: 200 ms
  uplink: shared
  queue: 80 ms
  meet: origin
groups:
  - { name: origin, role: origin, up: 1 Gbit/s, mode: offload }
  - { name: slow, share: 45 %, up: 512 kbit/s, disk: 5 MB/s, join: 0-30 s, churn: { up: 60 s, down: 5 s } }
  - { name: fast, share: 55 %, up: 20 Mbit/s, leaves: true, strategy: minimal, join: 2 s }
events:
  - { cut: [slow, fast], at: 12 s, for: 500 ms }
  - { split: [[origin, slow]], at: 1.05 files, for: 20 s }
`;
    const { network, groups, events, ...rest } = parseScenario(text, 'some.yaml');
    assert.deepEqual(rest, {
      name: 'some',
      about: undefined,
      fileBytes: 1536 * 1024 * 1024,
      chunkBytes: 256 * 1024,
      limitSec: 300,
    });
    assert.deepEqual(network, {
      rttMs: [0.2, 3],
      loss: 0.001,
      tcp: true,
      rttError: 0.2,
      rttLateMs: 200,
      uplink: 'shared',
      queueMs: 80,
      headers: false,
      meet: 'origin',
    });
    const [origin, slow, fast] = groups;
    assert.equal(origin?.mode, 'offload');
    assert.deepEqual([slow?.count, fast?.count], [5, 5]);
    assert.deepEqual([slow?.joinSec, fast?.joinSec], [[0, 30], [2, 2]]); // prettier-ignore
    assert.deepEqual([slow?.churn, slow?.diskBytesPerSec, slow?.up], [{ upSec: 60, downSec: 5 }, 5e6, 512e3]);
    assert.deepEqual([fast?.leavesWhenDone, fast?.strategy], [true, 'minimal']);
    assert.deepEqual(events, [
      { type: 'cut', when: { atSec: 12 }, groups: ['slow', 'fast'], forSec: 0.5 },
      { type: 'split', when: { originSent: 1.05 }, parts: [['origin', 'slow']], forSec: 20 },
    ]);
  });

  it('shares peers out so that they add up', () => {
    const text = `file: 1 MiB
peers: 10
groups:
  - { name: origin, role: origin, up: 1 Gbit/s }
${[33, 33, 34].map((share, i) => `  - { name: g${i}, share: ${share} %, up: 1 Mbit/s }`).join('\n')}
`;
    for (const peers of [3, 10, 101]) {
      const [, ...groups] = parseScenario(text, 'some.yaml', [`peers=${peers}`]).groups;
      assert.equal(
        groups.reduce((sum, { count }) => sum + count, 0),
        peers,
      );
    }
  });

  it('lets settings replace what the file says, and add to it', () => {
    const scenario = parseScenario(GOOD, 'some.yaml', [
      'file=1 GiB',
      'groups.peers.count=100',
      'groups.peers.churn.up=60 s',
      'groups.peers.churn.down=5 s',
      'network.rtt=100 ms',
    ]);
    assert.equal(scenario.fileBytes, 2 ** 30);
    assert.equal(scenario.groups[1]?.count, 100);
    assert.deepEqual(scenario.groups[1]?.churn, { upSec: 60, downSec: 5 });
    assert.deepEqual(scenario.network.rttMs, [100, 100]);
    assert.match(scenario.name, /^some file=1 GiB /);
  });

  it('names the line of what is no YAML, or a key twice', () => {
    fails('file: 64 MiB\ngroups: [\n', ['some.yaml, line 3']);
    fails(`${GOOD}file: 3 MiB\n`, ['some.yaml, line 11', 'unique']);
    fails(`${GOOD}---\n${GOOD}`, ['some.yaml, line 11', 'a second document begins here']);
    fails(GOOD.replace('20 Mbit/s', '*up'), ['line 9', 'groups[1].up is *up, an alias']);
    fails('', ['some.yaml', 'nothing', 'file, chunk']);
  });

  it('guesses what an unknown key was meant to be', () => {
    fails(`${GOOD}netwrok: {}\n`, ['line 11', 'netwrok', 'did you mean "network"?']);
    fails(peersWith('uplink: fifo'), ['line 11', 'groups[1].uplink is unknown', 'leaves, disk']);
  });

  it('says which key is missing, and what it takes', () => {
    fails(GOOD.replace('file: 64 MiB\n', ''), ['line 1', 'file is missing', '64 MiB']);
    fails(GOOD.replace('    count: 10\n', ''), ['line 7', 'groups[1].count is missing', 'whole number']);
    fails(GOOD.replace('    up: 20 Mbit/s\n', ''), ['line 7', 'groups[1].up is missing', '20 Mbit/s']);
  });

  it('refuses wrong units, and numbers that make no sense', () => {
    fails(GOOD.replace('64 MiB', '64 Mbit'), ['line 2', 'file is "64 Mbit"', '64 MiB']);
    fails(GOOD.replace('20 Mbit/s', '20 Mbps'), ['line 9', 'groups[1].up is "20 Mbps"', '20 Mbit/s']);
    fails(GOOD.replace('20 Mbit/s', '20'), ['line 9', 'groups[1].up is 20']);
    fails(GOOD.replace('count: 10', 'count: -3'), ['line 8', 'groups[1].count is -3', 'from 1 to']);
    fails(GOOD.replace('count: 10', 'count: 0'), ['line 8', 'groups[1].count is 0']);
    fails(GOOD.replace('count: 10', 'count: 1e9'), ['line 8', 'groups[1].count is 1000000000']);
    fails(GOOD.replace('count: 10', 'count: 100000'), ['100001 peers in all']);
    fails(GOOD.replace('64 MiB', '0 MiB'), ['line 2', 'file is "0 MiB"']);
    fails(GOOD.replace('64 MiB', '9999 TiB'), ['line 2', 'file']);
    fails(`${GOOD}chunk: 100 KiB\n`, ['line 11', 'chunk is "100 KiB"', 'power of two']);
    fails(`${GOOD}network: { rtt: 150-20 ms }\n`, ['line 11', 'network.rtt', '20-150 ms']);
    fails(`${GOOD}network: { loss: 70 %, tcp: true }\n`, ['line 11', 'network.loss', '50 %']);
    fails(`${GOOD}network: [fast]\n`, ['line 11', 'network is a list', 'rtt, loss']);
    fails(`${GOOD}limit: 0 s\n`, ['line 11', 'limit', 'more than 0']);
    fails(peersWith('strategy: freerider'), ['line 11', 'free-rider']);
    fails(peersWith('churn: { up: 3 s }'), ['line 11', 'churn.down is missing']);
  });

  it('refuses groups that make no swarm', () => {
    fails('file: 1 MiB\n', ['line 1', 'without an origin']);
    fails(GOOD.replace('role: origin', 'count: 3'), ['line 4', 'without an origin']);
    fails(GOOD.slice(0, GOOD.indexOf('  - name: peers')), ['without a peer']);
    fails(GOOD.replace('name: peers', 'name: origin'), ['line 7', 'an earlier group']);
    fails(GOOD.replace('name: peers', 'name: "a b"'), ['line 7', 'letters']);
  });

  it('refuses what contradicts itself', () => {
    fails(`${GOOD}network: { loss: 1 % }\n`, ['line 11', 'network.loss', 'tcp: true']);
    fails(peersWith('share: 20 %'), ['line 11', 'peers']);
    fails(`peers: 5\n${GOOD}`, ['line 1', 'share']);
    fails(`peers: 5\n${GOOD.replace('count: 10', 'share: 20 %')}`, ['line 9', '20.00 %', '100 %']);
    fails(`peers: 5\n${peersWith('share: 100 %')}`, ['line 9', 'count', 'share']);
    fails(peersWith('mode: offload'), ['line 11', 'origins only']);
    fails(GOOD.replace('role: origin', 'role: origin\n    strategy: liar'), [
      'line 6',
      'an origin is honest',
    ]);
    fails(GOOD.replace('role: origin', 'role: origin\n    leaves: true'), ['line 6', 'leaves']);
  });

  it('refuses events of unknown groups, without a moment, or at odds with each other', () => {
    const events = (...lines: string[]) => `${GOOD}events:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
    fails(events('{ cut: origins, at: 5 s }'), ['line 12', '"origins"', 'did you mean "origin"?']);
    fails(events('{ cut: crowd, at: 5 s }'), ['line 12', 'origin, peers']);
    fails(events('{ cut: origin }'), ['line 12', 'at is missing', '1.05 files']);
    fails(events('{ cut: origin, at: soon }'), ['line 12', 'events[0].at is "soon"']);
    fails(events('{ at: 5 s }'), ['line 12', 'cut']);
    fails(events('{ cut: origin, split: [[origin]], at: 5 s, for: 3 s }'), ['line 12', 'two events']);
    fails(events('{ split: [[origin], [peers, origin]], at: 5 s, for: 3 s }'), ['line 12', 'two parts']);
    fails(events('{ split: [[origin, peers]], at: 5 s, for: 3 s }'), ['line 12', 'one part']);
    fails(events('{ split: [[origin]], at: 5 s }'), ['line 12', 'for is missing']);
    fails(events('{ cut: origin, at: 5 s }', '{ cut: [peers, origin], at: 9 s }'), ['line 13', 'number 1']);
    fails(events('{ cut: origin, at: 5 s, for: 5 s }', '{ cut: origin, at: 9 s }'), ['line 13', 'number 1']);
    fails(events('{ cut: origin, at: 1 files }', '{ cut: origin, at: 2 files, for: 1 s }'), ['line 13']);
    fails(events('{ split: [[origin]], at: 5 s, for: 9 s }', '{ split: [[peers]], at: 9 s, for: 9 s }'), [
      'line 13',
    ]);
    const fine = events(
      '{ cut: origin, at: 5 s, for: 4 s }',
      '{ cut: origin, at: 9 s }',
      '{ cut: peers, at: 9 s }',
    );
    assert.equal(parseScenario(fine, 'some.yaml').events.length, 3);
  });

  it('names the setting where that is what is wrong', () => {
    fails(GOOD, ['--set groups.peers.count=0', 'count is 0'], ['groups.peers.count=0']);
    fails(GOOD, ['--set groups.crowd.count=5', '"origin", "peers"'], ['groups.crowd.count=5']);
    fails(GOOD, ['--set size=3', 'size is unknown'], ['size=3']);
    fails(GOOD, ['--set peers', 'key=value'], ['peers']);
  });

  const folder = join(import.meta.dirname, '../../benchmarks/scenarios');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    it(`reads ${file}`, () => {
      const scenario = parseScenario(readFileSync(join(folder, file), 'utf8'), file);
      assert.ok(scenario.about, 'a sentence says what it is about');
      assert.ok(scenario.limitSec < 3600, `it may take ${scenario.limitSec} s`);
    });
  }
});
