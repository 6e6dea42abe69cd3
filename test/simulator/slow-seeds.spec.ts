import assert from 'node:assert/strict';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';
import { reportOf } from '../../src/simulator/report.ts';
import { simulate } from '../../src/simulator/simulate.ts';

const SCENARIO = `file: 256 MiB
chunk: 1 MiB
network: { rtt: 20-50 ms, tcp: true }
groups:
  - { name: origin, role: origin, up: 400 Mbit/s }
  - { name: slow, role: seed, count: 30, up: 1 Mbit/s }
  - { name: one, role: peer, count: 1, up: 20 Mbit/s, down: 1 Gbit/s }
`;

describe('a fast seed among thirty slow ones', function () {
  this.timeout(120_000);

  it('is asked for most of the file, though each of the slow ones holds a chunk of the memory', async () => {
    const report = reportOf(await simulate(parseScenario(SCENARIO, 'slow-seeds.yaml'), { seed: 102 }));
    assert.ok(report.contributors.last < 2.5, `${report.contributors.last} times the bound`);
  });
});

const SLOW_DOWNLINK = `file: 2 MiB
limit: 1000 s
network: { rtt: 20-150 ms, tcp: true, uplink: shared }
groups:
  - { name: origin, role: origin, up: 10 Mbit/s }
  - { name: seeds, role: seed, count: 29, up: 10 Mbit/s }
  - { name: slow, up: 60 kbit/s, down: 200 kbit/s, count: 1 }
`;

const SHORT_QUEUE = `file: 2 MiB
chunk: 64 KiB
network: { rtt: 20-150 ms, tcp: true }
groups:
  - { name: origin, role: origin, up: 10 Mbit/s }
  - { name: seeds, role: seed, count: 9, up: 10 Mbit/s }
  - { name: slow, up: 150 kbit/s, down: 150 kbit/s, count: 1 }
`;

describe('a slow downlink before which many neighbours stand', function () {
  this.timeout(120_000);

  it('has nobody cut off, though what was taken back comes minutes later', async () => {
    const report = reportOf(await simulate(parseScenario(SLOW_DOWNLINK, 'slow-downlink.yaml'), { seed: 1 }));
    assert.equal(report.contributors.finished, 1);
    assert.equal(report.cutOff, 0);
  });

  it('has a short queue, as real ones: no more stands there than TCP lets be on its way', async () => {
    const scenario = parseScenario(SHORT_QUEUE, 'short-queue.yaml');
    const report = reportOf(await simulate(scenario, { seed: 1 }));
    assert.ok(report.contributors.last < 1.2, `${report.contributors.last} times the bound`);
  });
});
