import assert from 'node:assert/strict';
import { formatTable, isReached } from '../../src/simulator/report-table.ts';
import { plotSvg } from '../../src/simulator/report-svg.ts';
import { jain, percentile, reportOf } from '../../src/simulator/report.ts';
import { summarize, toJson } from '../../src/simulator/summary.ts';
import { madeOutcome } from './made-outcome.ts';

describe('a report', () => {
  const report = reportOf(madeOutcome([8, 10, 12, 16, 24, 40]));

  it('gives completion as multiples of the bound, for contributors and for each group', () => {
    assert.equal(report.boundMs, 8000);
    assert.deepEqual(report.contributors, { peers: 4, finished: 4, median: 1.25, p95: 2, last: 2 });
    assert.deepEqual(report.groups.peers, report.contributors);
    assert.deepEqual(report.groups.riders, { peers: 2, finished: 2, median: 3, p95: 5, last: 5 });
  });

  it('counts what was sent in files, and control and waste as shares', () => {
    assert.equal(report.originFiles, 2);
    assert.equal(report.controlShare, (6 * 1500 + 3000) / 6e6);
    assert.equal(report.wastedShare, 0.2);
    assert.equal(report.cutOff, 1);
    assert.equal(report.chunksLost, 0);
  });

  it("sets the cheats' time against the contributors' median", () => {
    assert.deepEqual(report.cheats, { median: 2.4, first: 2.4 });
  });

  it('calls equal work fair, and the work of one unfair', () => {
    assert.equal(report.fairness, 1);
    assert.equal(jain([5, 5, 5, 5]), 1);
    assert.equal(jain([1, 0, 0, 0]), 0.25);
    assert.equal(jain([]), 1);
  });

  it('says never of what did not happen', () => {
    const { contributors, chunksLost } = reportOf(madeOutcome([8, 10, 12, undefined, undefined, undefined]));
    assert.deepEqual(contributors, { peers: 4, finished: 3, median: 1.25, p95: Infinity, last: Infinity });
    assert.equal(chunksLost, 3);
    assert.equal(toJson({ last: Infinity, none: NaN }), '{\n  "last": "never",\n  "none": null\n}');
  });

  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    assert.deepEqual(
      [percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1)],
      [50, 95, 100],
    );
    assert.equal(percentile([7], 0.5), 7);
  });
});

describe('a summary', () => {
  const done = [10, 14, 12].map((last, i) => madeOutcome([8, 8, 8, last, 24, 40], i + 1));
  const summary = summarize(done.map(reportOf));

  it('has the median over the seeds, and from where to where they went', () => {
    assert.deepEqual(summary.seeds, [1, 2, 3]);
    assert.deepEqual(summary.contributors.last, { median: 1.5, least: 1.25, most: 1.75 });
    assert.deepEqual(summary.groups.riders?.finished, { median: 2, least: 2, most: 2 });
    assert.throws(() => summarize([]), RangeError);
  });

  it('reaches a target only where every seed does', () => {
    assert.ok(isReached(summary, { figure: 'last', bound: 'at most', value: 1.75 }));
    assert.ok(!isReached(summary, { figure: 'last', bound: 'at most', value: 1.7 }));
    assert.ok(isReached(summary, { figure: 'cheats', bound: 'at least', value: 3 }));
    assert.ok(!isReached(summary, { figure: 'cheats', bound: 'at least', value: 3.1 }));
    assert.ok(isReached(summary, { figure: 'finished', bound: 'at least', value: 1 }));
    assert.ok(isReached(summary, { figure: 'lost', bound: 'at most', value: 0 }));
  });

  it('misses a target on cheats where there are none', () => {
    const honest = { ...summary, cheats: undefined };
    assert.ok(!isReached(honest, { figure: 'cheats', bound: 'at least', value: 1 }));
  });

  it('is a line of a table, with what it had to reach below', () => {
    const targets = [
      { figure: 'last', bound: 'at most', value: 1.05 },
      { figure: 'control', bound: 'at most', value: 0.01 },
    ] as const;
    const [head = '', line = '', judged = '', ...rest] = formatTable([
      { label: 'made', summary, targets },
    ]).split('\n');
    assert.deepEqual(rest, []);
    assert.match(line, /^made +3 +8\.0 s .*1\.500 \(1\.250–1\.750\) +4\/4 +2\.00 F/);
    assert.equal(judged.indexOf('MISS ≤1.05'), head.indexOf('last'));
    assert.equal(judged.indexOf('ok ≤1 %'), head.indexOf('control'));
  });
});

describe('a plot', () => {
  it('draws every run with its bound, and escapes names', () => {
    const outcome = madeOutcome([8, 10, 12, 16, 24, 40]);
    const odd = { ...outcome, scenario: { ...outcome.scenario, name: 'a<b & c' } };
    const svg = plotSvg([outcome, odd]);
    assert.equal(svg.match(/<polyline/g)?.length, 6);
    assert.match(svg, /a&lt;b &amp; c, seed 1/);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });

  it('draws a run that cannot end, and one with events, without a bound that is nowhere', () => {
    const outcome = madeOutcome([undefined, undefined, undefined, undefined, undefined, undefined]);
    const events = [{ type: 'cut', when: { atSec: 5 }, groups: ['origin'] }] as const;
    const svg = plotSvg([{ ...outcome, scenario: { ...outcome.scenario, events }, eventsMs: [5000] }]);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    assert.match(svg, /stroke-dasharray="2 3"/);
    assert.doesNotMatch(svg, /stroke-dasharray="6 3"/);
  });
});
