import assert from 'node:assert/strict';
import { UplinkWait } from '../../../src/swarm/core/uplink-wait.ts';

/** Chunks of a period of a second, one each 100 ms, that waited so long each. */
function period(wait: UplinkWait, fromMs: number, waitMs: number, underWay = 8): void {
  for (let nowMs = fromMs; nowMs < fromMs + 1000; nowMs += 100) wait.note(nowMs, waitMs, underWay, true);
}

describe('how long chunks wait for the uplink', () => {
  it('makes the look-ahead longer, and the pace faster, where they find it idle', () => {
    const wait = new UplinkWait();
    period(wait, 0, 10);
    assert.ok(wait.boost > 1.03, `${wait.boost}`);
    assert.equal(wait.pace(1000), 1.25);
  });

  it('changes nothing where a little always waits', () => {
    const wait = new UplinkWait();
    period(wait, 0, 80);
    period(wait, 1000, 80);
    assert.equal(wait.pace(2000), 1);
    assert.equal(wait.boost, 1);
    assert.ok(!wait.isQueued);
  });

  it('slows the pace down where every chunk of a second stood in a queue, until that is gone', () => {
    const wait = new UplinkWait();
    period(wait, 0, 500);
    assert.equal(wait.pace(900), 1);
    period(wait, 1000, 400);
    assert.ok(wait.isQueued);
    assert.equal(wait.pace(1900), 0.75);
    period(wait, 2000, 300);
    assert.equal(wait.pace(2900), 0.75);
    period(wait, 3000, 80);
    period(wait, 4000, 80);
    assert.equal(wait.pace(4900), 1);
    assert.ok(!wait.isQueued);
  });

  it('does not judge by three chunks, and slows down for a second at most', () => {
    const wait = new UplinkWait();
    for (const nowMs of [0, 500, 1000]) wait.note(nowMs, 400, 8, true);
    assert.equal(wait.pace(1000), 1);
    wait.note(1500, 400, 8, true);
    assert.equal(wait.pace(2400), 0.75);
    assert.equal(wait.pace(2600), 1);
  });

  it('takes no peer that is late for a queue, where next to nothing is under way', () => {
    const wait = new UplinkWait();
    for (let second = 0; second < 5; second++) {
      period(wait, second * 1000, 400, 2);
      assert.ok(!wait.isQueued);
      assert.equal(wait.pace(second * 1000 + 999), 1);
    }
  });

  it('takes one chunk that did not wait for a proof that no queue is there', () => {
    const wait = new UplinkWait();
    period(wait, 0, 400);
    wait.note(950, 70, 8, true);
    period(wait, 1000, 400);
    assert.equal(wait.pace(2000), 1);
  });

  it('leaves waits alone for a while that a slower pace does not make shorter: they are not of this uplink', () => {
    const wait = new UplinkWait();
    const paces: number[] = [];
    for (let second = 0; second < 24; second++) {
      period(wait, second * 1000, 400);
      paces.push(wait.pace(second * 1000 + 999));
    }
    const slow = paces.filter((pace) => pace < 1).length;
    assert.ok(slow >= 1 && slow <= 4, `${paces}`);
  });
});
