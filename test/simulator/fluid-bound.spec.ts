import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fluidBoundMs } from '../../src/simulator/fluid-bound.ts';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';
import { reportOf } from '../../src/simulator/report.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import { simulate } from '../../src/simulator/simulate.ts';

/** A file of one megabit, an origin with 1 Mbit/s, and what is said besides. Seconds and megabits are then the units. */
function scenarioOf(groups: string, events = ''): Scenario {
  const text = `file: 125 kB
groups:
  - { name: origin, role: origin, up: 1 Mbit/s }
${groups}${events === '' ? '' : `\nevents:\n${events}`}`;
  return parseScenario(text, 'bound.yaml');
}

function boundSec(groups: string, events = ''): number {
  return fluidBoundMs(scenarioOf(groups, events)) / 1000;
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-5 * expected, `${actual}, not ${expected}`);
}

const SLOW = '  - { name: peers, count: 4, up: 100 kbit/s, down: 10 Mbit/s }';

describe('the fluid bound', () => {
  it("is the origin's uplink where peers have plenty", () => {
    near(boundSec('  - { name: peers, count: 4, up: 5 Mbit/s }'), 1);
  });

  it("is the slowest contributor's downlink, or its disk", () => {
    near(boundSec('  - { name: peers, count: 2, up: 5 Mbit/s, down: 400 kbit/s }'), 2.5);
    near(boundSec('  - { name: peers, count: 2, up: 5 Mbit/s, disk: 25 kB/s }'), 5);
  });

  it('is not that of a share that comes to nobody', () => {
    const text = `file: 125 kB
peers: 1
groups:
  - { name: origin, role: origin, up: 1 Mbit/s }
  - { name: most, share: 80 %, up: 5 Mbit/s }
  - { name: slow, share: 20 %, up: 5 Mbit/s, down: 10 kbit/s }
`;
    const scenario = parseScenario(text, 'bound.yaml');
    near(fluidBoundMs(scenario) / 1000, 1);
    const events = [{ type: 'cut', when: { atSec: 60 }, groups: ['origin'], forSec: 1 }] as const;
    near(fluidBoundMs({ ...scenario, events }) / 1000, 1);
  });

  it('is all uplinks together where they are what is short', () => {
    near(boundSec(SLOW), 4 / 1.4);
  });

  it('neither waits for free-riders and cheats nor counts on them', () => {
    const rider = '\n  - { name: riders, count: 50, up: 1 Gbit/s, down: 1 kbit/s, strategy: free-rider }';
    near(boundSec(SLOW + rider), 4 / 1.4);
    const liar = '\n  - { name: liars, role: seed, up: 1 Gbit/s, strategy: liar }';
    near(boundSec(SLOW + liar), 4 / 1.4);
  });

  it('counts a seed as a source', () => {
    near(boundSec(`${SLOW}\n  - { name: seed, role: seed, up: 600 kbit/s }`), 4 / 2);
  });

  it('gives a late joiner the time from its joining', () => {
    const late = '\n  - { name: late, count: 1, up: 1 Mbit/s, down: 10 Mbit/s, join: 10 s }';
    near(boundSec(`  - { name: early, count: 1, up: 1 Mbit/s, down: 10 Mbit/s }${late}`), 10.5);
  });

  it('counts the uplinks of those who join over a time only from their joining', () => {
    // Two peers, at 0 s and 5 s: 1 Mbit needs 1 s of the origin; the second then gets 1 + 0.1 Mbit/s.
    near(
      boundSec('  - { name: peers, count: 2, up: 100 kbit/s, down: 10 Mbit/s, join: 0-10 s }'),
      5 + 1 / 1.1,
    );
  });

  it('leaves everything to the peers once an origin is cut after so many files', () => {
    // 4 Mbit in all: 1 of the origin, 3 at 0.4 Mbit/s.
    near(boundSec(SLOW, '  - { cut: origin, at: 1 files }'), 7.5);
    near(boundSec(SLOW, '  - { cut: origin, at: 2 files }'), 5);
    near(boundSec(SLOW, '  - { cut: origin, at: 3 files }'), 4 / 1.4);
  });

  it('is infinite where an origin is cut before it sent the whole file', () => {
    assert.equal(boundSec(SLOW, '  - { cut: origin, at: 0.9 files }'), Infinity);
    assert.equal(boundSec(SLOW, '  - { cut: origin, at: 900 ms }'), Infinity);
  });

  it('waits for an origin that comes back', () => {
    // By 0.5 s half is known; from 4.5 s on the origin sends the other half, until 5 s. 2 + 0.5 × 4 Mbit/s are not short.
    near(
      boundSec('  - { name: peers, count: 4, up: 1 Mbit/s }', '  - { cut: origin, at: 500 ms, for: 4 s }'),
      5,
    );
    near(
      boundSec('  - { name: peers, count: 4, up: 1 Mbit/s }', '  - { cut: origin, at: 0.5 files, for: 4 s }'),
      5,
    );
  });

  it('lets the uplinks of a group that is away for a while be missing', () => {
    // 4 Mbit: 1.4 Mbit/s for 1 s, 1 Mbit/s at the origin while all peers are away to nobody, then 2.6 at 1.4.
    near(boundSec(SLOW, '  - { cut: peers, at: 1 s, for: 3 s }'), 4 + 2.6 / 1.4);
  });

  it('does not wait for a group that is cut for good', () => {
    const others = '\n  - { name: dying, count: 3, up: 100 kbit/s, down: 10 Mbit/s }';
    near(boundSec(SLOW + others, '  - { cut: dying, at: 0 s }'), 4 / 1.4);
  });

  it('holds a part of a split network without its origin to what it knew before', () => {
    const halves = ['left', 'right'].map(
      (name) => `  - { name: ${name}, count: 2, up: 100 kbit/s, down: 10 Mbit/s }`,
    );
    // By 0.5 s the right half knows half of the file; 1 Mbit is missing there when the split heals at 10.5 s.
    const split = '  - { split: [[origin, left], [right]], at: 500 ms, for: 10 s }';
    near(boundSec(halves.join('\n'), split), 10.5 + 1 / 1.4);
  });

  it('is not raised by a split that comes when all could be done', () => {
    near(boundSec(SLOW, '  - { split: [[origin]], at: 3 s, for: 10 s }'), 4 / 1.4);
  });

  it('is never above what a simulated crowd reaches', async () => {
    const rate = fc.integer({ min: 1, max: 40 });
    const group = fc.record({
      count: fc.integer({ min: 1, max: 4 }),
      up: rate,
      down: rate,
      join: fc.integer({ min: 0, max: 5 }),
    });
    const event = fc.constantFrom(
      '',
      '  - { cut: origin, at: 1.3 files }',
      '  - { cut: origin, at: 1 s, for: 3 s }',
      '  - { cut: g0, at: 500 ms, for: 4 s }',
      '  - { split: [[g0]], at: 1 s, for: 3 s }',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(group, { minLength: 1, maxLength: 3 }),
        rate,
        event,
        async (groups, up, event) => {
          const text = [
            'file: 3 MiB',
            'network: { rtt: 2 ms }',
            `groups:\n  - { name: origin, role: origin, up: ${up} Mbit/s }`,
            ...groups.map(
              ({ count, up, down, join }, i) =>
                `  - { name: g${i}, count: ${count}, up: ${up} Mbit/s, down: ${down} Mbit/s, join: 0-${join} s }`,
            ),
            event === '' ? '' : `events:\n${event}`,
          ].join('\n');
          const { contributors, boundMs } = reportOf(
            await simulate(parseScenario(text, 'any.yaml'), { seed: 1 }),
          );
          assert.ok(contributors.last > 0.999, `${contributors.last} times ${boundMs} ms`);
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  });
});
