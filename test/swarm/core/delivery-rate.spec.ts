import assert from 'node:assert/strict';
import { DeliveryRate } from '../../../src/swarm/core/delivery-rate.ts';

describe('DeliveryRate', () => {
  it('knows nothing until something is acknowledged', () => {
    const rate = new DeliveryRate();
    rate.sent(0, 1000, false);
    assert.equal(rate.bytesPerSec, 0);
  });

  it('measures what was delivered between sending and acknowledgement', () => {
    const rate = new DeliveryRate();
    const stamp = rate.sent(0, 1000, false);
    rate.acked(100, 1000, stamp);
    assert.equal(rate.bytesPerSec, 10_000);
  });

  it('counts chunks that were under way together, so that a filled pipe shows its real rate', () => {
    const rate = new DeliveryRate();
    const stamps = [0, 1, 2, 3].map(() => rate.sent(0, 1000, false));
    stamps.forEach((stamp, i) => rate.acked(100 + i * 10, 1000, stamp));
    assert.equal(Math.round(rate.bytesPerSec), Math.round((4000 * 1000) / 130));
  });

  it('does not count idle time', () => {
    const rate = new DeliveryRate();
    rate.acked(100, 1000, rate.sent(0, 1000, false));
    rate.acked(60_100, 2000, rate.sent(60_000, 2000, false));
    assert.equal(rate.bytesPerSec, 20_000);
  });

  it('forgets a faster time after a second of slower samples', () => {
    const rate = new DeliveryRate();
    rate.acked(100, 10_000, rate.sent(0, 10_000, false));
    for (let now = 200; now <= 2000; now += 100) rate.acked(now, 1000, rate.sent(now - 100, 1000, false));
    assert.equal(rate.bytesPerSec, 10_000);
  });

  it('does not take a lack of demand for a slow link', () => {
    const rate = new DeliveryRate();
    rate.acked(100, 10_000, rate.sent(0, 10_000, false));
    for (let now = 200; now <= 5000; now += 100) rate.acked(now, 1000, rate.sent(now - 100, 1000, true));
    assert.equal(rate.bytesPerSec, 100_000);
  });

  it('is corrected where a queue stands, however little there was to send: that is a slow link', () => {
    const rate = new DeliveryRate();
    rate.acked(100, 10_000, rate.sent(0, 10_000, false));
    for (let now = 200; now <= 5000; now += 100) {
      rate.acked(now, 1000, rate.sent(now - 100, 1000, true), false);
    }
    assert.equal(rate.bytesPerSec, 10_000);
  });

  it('asks for double while the rate grows, and for once when it has stopped', () => {
    const rate = new DeliveryRate();
    let now = 0;
    for (const bytes of [1000, 2000, 4000, 8000]) {
      rate.acked(now + 100, bytes, rate.sent(now, bytes, false));
      now += 100;
      assert.equal(rate.gain, 2);
    }
    for (let round = 0; round < 4; round++, now += 100)
      rate.acked(now + 100, 8000, rate.sent(now, 8000, false));
    assert.equal(rate.gain, 1);
  });

  it('is over with its start as soon as a queue has built up', () => {
    const rate = new DeliveryRate(250);
    rate.acked(100, 1000, rate.sent(0, 1000, false));
    assert.ok(rate.isStarting);
    rate.endStart(100);
    assert.ok(!rate.isStarting);
    assert.equal(rate.gain, 1);
  });

  it('does not try an uplink anew before which a queue stands: a burst once made it look faster', () => {
    const rate = new DeliveryRate(250);
    rate.acked(10, 100_000, rate.sent(0, 100_000, false));
    rate.endStart(10);
    for (let now = 1000; now < 20_000; now += 1000) {
      rate.acked(now + 1000, 50_000, rate.sent(now, 50_000, false), false);
      assert.ok(!rate.isStarting, `${now}`);
    }
    rate.acked(21_000, 50_000, rate.sent(20_000, 50_000, false), true);
    assert.ok(rate.isStarting);
  });

  it('tries an uplink anew that is far below what it once was, every other second, and a peer never', () => {
    const [uplink, peer] = [new DeliveryRate(250), new DeliveryRate()];
    for (const rate of [uplink, peer]) {
      let now = 0;
      for (let round = 0; round < 8; round++, now += 100)
        rate.acked(now + 100, 100_000, rate.sent(now, 100_000, false));
      assert.ok(!rate.isStarting);
      const starts: boolean[] = [];
      for (let round = 0; round < 12; round++, now += 1000) {
        rate.acked(now + 1000, 50_000, rate.sent(now, 50_000, false));
        starts.push(rate.isStarting);
      }
      assert.equal(starts.includes(true), rate === uplink);
      if (rate === uplink) assert.ok(starts.lastIndexOf(false) > starts.indexOf(true), 'it ends again');
    }
  });
});
