import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareResults, comparisonTable } from '../../benchmarks/compare-results.ts';
import { describe as describeLine, type Line, type Result } from '../../benchmarks/result.ts';

function result(...lines: Line[]): Result {
  const machine = { cpus: 2, model: 'test', memoryBytes: 1, node: 'v24', load: 0 };
  return { version: 1, commit: 'abc', date: '2026-11-26T00:00:00Z', machine, lines };
}

function speed(...values: number[]): Line {
  return { name: 'speed', unit: 'MB/s', better: 'more', values };
}

function verdict(before: Line, after: Line): string | undefined {
  return compareResults(result(before), result(after))[0]?.verdict;
}

describe('comparing results of benchmarks', () => {
  it('calls a median that fell, with no run as good as the worst before, worse', () => {
    assert.equal(verdict(speed(100, 101, 102), speed(90, 91, 92)), 'worse');
  });

  it('calls it unclear where runs of both sides overlap', () => {
    assert.equal(verdict(speed(91, 101, 102), speed(90, 90, 92)), 'unclear');
  });

  it('calls it the same within the tolerance, however narrow the spread', () => {
    assert.equal(verdict(speed(100, 100, 100), speed(96, 96, 96)), 'same');
  });

  it('knows of what less is better', () => {
    const memory = (...values: number[]): Line => ({ name: 'rss', unit: 'MB', better: 'less', values });
    assert.equal(verdict(memory(100, 101, 102), memory(150, 151, 152)), 'worse');
    assert.equal(verdict(memory(100, 101, 102), memory(50, 51, 52)), 'better');
  });

  it('compares ratios to the bound, run by run: a slower machine is no slower program', () => {
    const bounded = (values: number[], bound: number[]): Line => ({
      ...speed(...values),
      bound: { name: 'bare', values: bound },
    });
    assert.equal(verdict(bounded([100, 80, 60], [200, 160, 120]), bounded([50, 40, 30], [100, 80, 60])), 'same'); // prettier-ignore
    assert.equal(verdict(bounded([100, 80, 60], [200, 160, 120]), bounded([100, 80, 60], [400, 320, 240])), 'worse'); // prettier-ignore
  });

  it('wants more than that of single runs, which show no spread', () => {
    assert.equal(verdict(speed(100), speed(85)), 'same');
    assert.equal(verdict(speed(100), speed(70)), 'worse');
  });

  it('tells what is gone and what is new', () => {
    const [fresh, gone] = compareResults(result(speed(1)), result({ ...speed(1), name: 'other' }));
    assert.deepEqual([fresh?.name, fresh?.verdict, gone?.name, gone?.verdict], ['other', 'new', 'speed', 'gone']); // prettier-ignore
  });

  it('puts what is worse first', () => {
    const before = result({ ...speed(1, 1, 1), name: 'fine' }, { ...speed(10, 10, 10), name: 'slow' });
    const after = result({ ...speed(1, 1, 1), name: 'fine' }, { ...speed(5, 5, 5), name: 'slow' });
    const [, first, second] = comparisonTable(compareResults(before, after)).split('\n');
    assert.match(first ?? '', /^WORSE +-50\.0 % .*slow$/);
    assert.match(second ?? '', /^same .*fine$/);
  });

  it('describes a line with its ratio to the bound and to what is asked', () => {
    const line: Line = {
      ...speed(50, 40, 60),
      asked: 100,
      bound: { name: 'bare', values: [200], asked: 0.5 },
    };
    assert.match(
      describeLine(line),
      /^speed +50\.0 MB\/s \(40\.0–60\.0\) {2}= 0\.50 of what is asked, ≥ 100 {2}= 0\.25 of bare, 200 \(asked: ≥ 0\.5\)$/,
    );
  });

  it('exits with 1 where something is worse, 0 where not, 2 where it cannot tell', () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-compare-'));
    try {
      const file = (name: string, content: unknown): string => {
        writeFileSync(join(folder, name), JSON.stringify(content));
        return join(folder, name);
      };
      const fast = file('fast.json', result(speed(100, 101, 102)));
      const slow = file('slow.json', result(speed(50, 51, 52)));
      const old = file('old.json', { lines: [] });
      const run = (...args: string[]): number | null =>
        spawnSync(process.execPath, [join(import.meta.dirname, '../../benchmarks/compare.ts'), ...args])
          .status;
      assert.equal(run(fast, slow), 1);
      assert.equal(run(slow, fast), 0);
      assert.equal(run(fast, slow, '--tolerance', '60'), 0);
      assert.equal(run(fast, old), 2);
      assert.equal(run(fast), 2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }).timeout(30_000);
});
