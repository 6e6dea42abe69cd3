import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareResults } from '../../benchmarks/compare-results.ts';
import { parsePairCommand } from '../../benchmarks/peers/pair/command.ts';
import { Pair, type Transfer } from '../../benchmarks/peers/pair/pair.ts';
import { pairLines, pairTable, type Measured } from '../../benchmarks/peers/pair/table.ts';
import { parsePeakRss } from '../../benchmarks/peers/pair/usage.ts';
import { present } from '../../benchmarks/peers/present.ts';
import { parseStat } from '../../benchmarks/process-stat.ts';
import { retry } from '../../benchmarks/peers/systems/client.ts';
import type { Result } from '../../benchmarks/result.ts';

function transfer(mbPerSec: number, cpuSec = 2): Transfer {
  return {
    mbPerSec,
    sender: { cpuSec: cpuSec / 4, peakRssBytes: 100e6 },
    receiver: { cpuSec: (cpuSec * 3) / 4, peakRssBytes: 150e6 },
  };
}

function measured(name: string, speeds: readonly number[], asked?: number, failure?: string): Measured {
  return {
    system: { name, about: `how ${name} does it`, asked },
    transfers: speeds.map((speed) => transfer(speed)),
    failure,
  };
}

const MEASURED = [
  measured('shoal', [400, 420, 410]),
  measured('swift', [800, 820, 830]),
  measured('slow', [100, 110, 102], 4),
  measured('gone', [], 2, 'not done in 100 s'),
];

function resultOf(lines: Result['lines']): Result {
  const machine = { cpus: 2, model: 'm', memoryBytes: 1, node: 'v24', load: 0 };
  return { version: 1, commit: 'c', date: 'd', machine, lines };
}

describe('one pair beside its peers: what it prints and stores', () => {
  it('gives each system a line, the fastest first, with the median and the spread, and what failed last', () => {
    const rows = pairTable(MEASURED, 'shoal', 2)
      .split('\n')
      .map((row) => row.split('|').map((cell) => cell.trim()));
    assert.deepEqual(
      rows.slice(2).map((row) => row.slice(1, 4)),
      [
        ['swift', '820 (800–830)', '0.50 ×'],
        ['shoal', '410 (400–420)', ''],
        ['slow', '102 (100–110)', '4.02 × (asked ≥ 4)'],
        ['gone', 'not done in 100 s', ''],
      ],
    );
    assert.deepEqual(rows[3]?.slice(4, 8), [
      '1.00 (1.00–1.00)',
      '0.25 (0.25–0.25) + 0.75 (0.75–0.75)',
      '100 / 150',
      'how shoal does it',
    ]);
  });

  it("stores Shoal's quantities, each against the same of every other system that was measured", () => {
    const lines = pairLines(MEASURED, 'shoal', 2);
    assert.deepEqual([...new Set(lines.map((line) => line.bound?.name))], ['swift', 'slow']);
    const [speed] = lines.filter((line) => line.unit === 'MB/s' && line.bound?.name === 'slow');
    assert.deepEqual(speed?.values, [400, 420, 410]);
    assert.deepEqual(speed?.bound, { name: 'slow', values: [100, 110, 102], asked: 4 });
    const [cpu] = lines.filter((line) => line.unit === 's');
    assert.deepEqual([cpu?.better, cpu?.values, cpu?.bound?.asked], ['less', [1, 1, 1], undefined]);
  });

  it('can be compared with an earlier result, run by run', () => {
    const before = resultOf(pairLines(MEASURED, 'shoal', 1));
    const slower = [measured('shoal', [200, 210, 205]), ...MEASURED.slice(1)];
    const verdicts = compareResults(before, resultOf(pairLines(slower, 'shoal', 1))).map((each) => [
      each.of,
      each.name.includes('speed'),
      each.verdict,
    ]);
    assert.deepEqual(
      verdicts.filter(([, , verdict]) => verdict === 'worse'),
      [
        ['of swift', true, 'worse'],
        ['of slow', true, 'worse'],
      ],
    );
  });
});

describe('one pair beside its peers: the command line', () => {
  it('moves 1 GiB five times by every system where nothing is said', () => {
    const { systems, repeats, mib, limitSec } = parsePairCommand([]);
    assert.deepEqual([systems, repeats, mib, limitSec], [[], 5, 1024, 100]);
  });

  it('refuses numbers that make no sense, and an empty list of systems', () => {
    for (const args of [
      ['--repeats', '0'],
      ['--mib', '1.5'],
      ['--limit', 'x'],
      ['--systems', ','],
    ])
      assert.throws(() => parsePairCommand(args), new RegExp(args[0] as string));
  });

  it('leaves out what is not installed, says what to install, and refuses what it does not know', async () => {
    const known = [
      { name: 'here', version: async () => '1.0' },
      { name: 'away', version: () => Promise.reject(new Error('It is not installed: get it.')) },
    ];
    const told: string[] = [];
    const found = await present(known, [], (line) => told.push(line));
    assert.deepEqual(found, [known[0]]);
    assert.deepEqual(told, ['here: 1.0', 'away: left out. It is not installed: get it.']);
    await assert.rejects(
      present(known, ['there'], () => {}),
      /no system "there"; known are here, away/,
    );
  });
});

describe('one pair beside its peers: what a process uses', () => {
  it('reads CPU time of a process whose name looks like fields', () => {
    const line = `77 (a b) c (1) S 1 55 55 0 -1 4194560 1 2 3 4 150 50 20 5 20 0 1 0 99 1 2`;
    assert.deepEqual(parseStat(line), { group: 55, cpuSec: 2, endedCpuSec: 0.25 });
  });

  it('reads the most memory that a process had', () => {
    assert.equal(parsePeakRss('Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t  200 kB\nVmRSS:\t 100 kB\n'), 204_800);
    assert.equal(parsePeakRss('Name:\tz\nState:\tZ (zombie)\n'), 0);
  });

  it('measures all that a side starts but what only drives it, and leaves none of it running', async function () {
    // Where there is a /proc to read.
    if (process.platform !== 'linux') this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'shoal-pair-test-'));
    let pid = 0;
    const hear = (line: string): string => {
      pid ||= Number(/^\d+$/.exec(line)?.[0] ?? 0);
      return line;
    };
    try {
      const pair = new Pair({ path: '', name: 'content', bytes: 1e6 }, folder);
      await pair.makeFolders();
      pair.run('sender', ['sleep', 'infinity']);
      const client =
        'while (process.cpuUsage().user < 2e5); console.log(process.pid); console.log("done"); setInterval(() => {}, 1e3)';
      const receiver = pair.run(
        'receiver',
        ['sh', '-c', 'echo ready and waiting; read -r go; "$0" -e "$1"; exit', process.execPath, client],
        { isDriven: true, hear },
      );
      assert.equal(await receiver.ready, 'and waiting');
      const { sender, receiver: used } = await pair.measure(() => receiver.say('go'));
      assert.ok(used.cpuSec >= 0.2, `the client took 0.2 s, measured were ${used.cpuSec}`);
      assert.ok(used.peakRssBytes > 10e6, `no Node is as small as ${used.peakRssBytes} bytes`);
      assert.ok(sender.cpuSec < 0.2 && sender.peakRssBytes < 10e6);
      await pair[Symbol.asyncDispose]();
      assert.notEqual(pid, 0);
      await retry(async () => assert.throws(() => process.kill(pid, 0), /ESRCH/));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
