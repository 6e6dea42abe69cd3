import assert from 'node:assert/strict';
import { parseCommand } from '../../benchmarks/peers/command.ts';
import { comparison, type PeerOutcome } from '../../benchmarks/peers/comparison.ts';
import { versionOf } from '../../benchmarks/peers/systems/version.ts';

/** A run in which peers finished at these seconds, of a bound of 10 s. */
function run(system: string, finishedSec: readonly (number | undefined)[], originFiles = 1): PeerOutcome {
  const done = finishedSec.filter((sec) => sec !== undefined);
  return {
    system,
    scenario: 'bed-equal',
    boundSec: 10,
    lastSec: done.length === finishedSec.length ? Math.max(...done) : undefined,
    originFiles,
    cpu: 0.5,
    limitSec: 80,
    nodes: finishedSec.map((sec, i) => ({
      name: `peer${i}`,
      group: 'peers',
      role: 'peer' as const,
      freeRider: false,
      up: 1,
      down: 1,
      joinSec: 0,
      finishedSec: sec,
      correct: sec === undefined ? undefined : true,
      failure: undefined,
      sentBytes: 0,
      receivedBytes: 0,
    })),
  };
}

/** The table's cells. */
function cells(outcomes: readonly PeerOutcome[]): string[][] {
  return comparison(outcomes)
    .split('\n')
    .map((line) => line.split(/ {2,}/));
}

describe('peers: the table side by side', () => {
  it('gives each system a line with the median of its runs, the least and the most', () => {
    const [, shoal, aria2] = cells([
      run('shoal', [10, 11], 1.05),
      run('shoal', [10, 12], 1.15),
      run('aria2', [14, 13], 1.2),
      run('shoal', [10, 10.5], 1.1),
    ]);
    assert.deepEqual(shoal?.slice(0, 5), ['shoal', '1.100 (1.050–1.200)', '2 of 2', '1.10 (1.05–1.15)', '3']);
    assert.deepEqual(aria2?.slice(0, 5), ['aria2', '1.400', '2 of 2', '1.20', '1']);
  });

  it('says after how long a system that did not finish was given up, and how many peers had finished', () => {
    const [, line] = cells([run('curl', [12, undefined, undefined])]);
    assert.deepEqual(line?.slice(0, 3), ['curl', 'not done in 80 s', '1 of 3']);
  });

  it('tells runs that finished from runs that did not', () => {
    const [, line] = cells([run('aria2', [13]), run('aria2', [undefined])]);
    assert.deepEqual(line?.slice(0, 3), ['aria2', '1.300; 1 of 2 runs not done in 80 s', '0–1 of 1']);
  });
});

describe('peers: the command line', () => {
  it('runs three scenarios three times with every system where nothing is said', () => {
    const command = parseCommand([]);
    assert.deepEqual(command.scenarios, ['bed-equal', 'bed-mixed', 'bed-cut']);
    assert.deepEqual([command.systems, command.runs, command.limit], [[], 3, 8]);
  });

  it('takes scenarios, systems, runs and a limit', () => {
    const command = parseCommand(['bed-thirty', '--systems', 'shoal,aria2', '--runs', '1', '--limit', '2.5']);
    assert.deepEqual(command.scenarios, ['bed-thirty']);
    assert.deepEqual([command.systems, command.runs, command.limit], [['shoal', 'aria2'], 1, 2.5]);
  });

  it('refuses numbers that make no sense, and an empty list of systems', () => {
    for (const args of [
      ['--runs', '0'],
      ['--runs', 'two'],
      ['--limit', '1'],
      ['--limit', 'x'],
      ['--systems', ','],
    ]) {
      assert.throws(() => parseCommand(args), new RegExp(args[0] as string));
    }
  });
});

describe('peers: versions', () => {
  it('takes the first line that a program prints', async () => {
    const command = [process.execPath, '-e', 'console.log("name 1.2\\nand more")'] as const;
    assert.equal(await versionOf([...command], 'nothing'), 'name 1.2');
  });

  it('says what to install where a program is not there', async () => {
    await assert.rejects(
      versionOf(['shoal-test-no-such-program'], 'apt-get install name'),
      /apt-get install name/,
    );
  });
});
