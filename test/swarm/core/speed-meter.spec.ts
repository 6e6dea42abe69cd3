import assert from 'node:assert/strict';
import { SpeedMeter } from '../../../src/swarm/core/speed-meter.ts';

describe('The speed that is shown', () => {
  it('is what came in the last seconds, and nothing before anything came', () => {
    const meter = new SpeedMeter();
    assert.equal(meter.bytesPerSec(0), 0);
    for (let nowMs = 100_000; nowMs < 110_000; nowMs += 100) meter.add(nowMs, 1000);
    assert.equal(meter.bytesPerSec(110_000), 10_000);
    // Half as fast for so long that nothing before that counts.
    for (let nowMs = 110_000; nowMs < 115_000; nowMs += 100) meter.add(nowMs, 500);
    assert.equal(meter.bytesPerSec(115_000), 5000);
  });

  it('is that of the time there was at the start, and falls to nothing', () => {
    const meter = new SpeedMeter();
    for (let nowMs = 100_000; nowMs < 101_000; nowMs += 100) meter.add(nowMs, 1000);
    assert.equal(meter.bytesPerSec(101_000), 10_000);
    assert.ok(meter.bytesPerSec(103_000) < 10_000);
    assert.equal(meter.bytesPerSec(105_000), 0);
    assert.equal(meter.bytesPerSec(205_000), 0);
  });
});
