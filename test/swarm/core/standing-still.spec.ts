import assert from 'node:assert/strict';
import { TICK_MS } from '../../../src/swarm/core/constants.ts';
import { Q, Rig } from './exchange-rig.ts';

const PAUSES_MS = [10_000, 60_000, 3_600_000];

/** No event comes and no wake for so long; then the timers come, before the sockets are read. */
function standStill(rig: Rig, ms: number): Rig {
  rig.take();
  rig.nowMs += ms;
  return rig.handle({ type: 'wake' });
}

/** A downloader that has asked each of two neighbours, which delivered before, for two chunks. */
function askedOfTwo(): { rig: Rig; asked: [string, number][] } {
  const rig = new Rig().add('........').join('a', 'xxxxxxxx').join('b', 'xxxxxxxx');
  const asked: [string, number][] = [];
  for (const peer of ['a', 'b']) {
    rig.take();
    rig.grants(peer, 1);
    rig.pass(50).sends(peer, rig.asked(peer)[0]!);
    rig.take();
    rig.grants(peer, 2, 2 * Q);
    for (const chunk of rig.asked(peer)) asked.push([peer, chunk]);
  }
  return { rig, asked };
}

for (const ms of PAUSES_MS) {
  describe(`Exchange: a process that stood still for ${ms / 1000} s`, () => {
    it('gives nothing up of what it asked for, and takes what came meanwhile', () => {
      const { rig, asked } = askedOfTwo();
      standStill(rig, ms);
      assert.equal(asked.length, 4);
      assert.deepEqual(rig.sent('cancel'), []);
      for (const [peer, chunk] of asked) rig.sends(peer, chunk);
      assert.deepEqual(rig.faults(), []);
      assert.equal(rig.exchange.stats(1)?.chunksHere, 6);
    });

    it('takes what it had taken back before, and was on its way', () => {
      const { rig, asked } = askedOfTwo();
      rig.handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
      standStill(rig, ms);
      for (const [peer, chunk] of asked)
        rig.handle({ type: 'data', peer, asset: 1, chunk, bytes: Q, last: true });
      assert.deepEqual(rig.faults(), []);
    });

    it('closes no link for want of acknowledgements, and gives credit on', () => {
      const rig = new Rig().add('xxxxxxxx').join('a', '........');
      const [grant] = rig.sent('grant', 'a');
      rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 0, count: 1 }] }).pass(20);
      standStill(rig, ms);
      assert.deepEqual(
        rig.actions.filter(({ type }) => type === 'close'),
        [],
      );
      rig.take();
      rig.says('a', { type: 'ack', bytes: Q }).pass(20);
      assert.deepEqual(rig.faults(), []);
      assert.ok(rig.sent('grant', 'a').length > 0);
    });

    it('serves who asked with credit that was good', () => {
      const rig = new Rig().add('xxxxxxxx').join('a', '........');
      const [grant] = rig.sent('grant', 'a');
      standStill(rig, ms);
      rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 0, count: 1 }] }).pass(20);
      assert.deepEqual(rig.sent('reject', 'a'), []);
      assert.equal(rig.actions.filter(({ type }) => type === 'upload').length, 1);
    });

    it('tells peers the time that has passed, by which they measure their uplink', () => {
      const { rig, asked } = askedOfTwo();
      const [[peer, chunk] = ['', 0], [, next] = ['', 0]] = asked;
      rig.sends(peer, chunk).pass(20);
      const before = rig.sent('ack', peer).at(-1)!;
      standStill(rig, ms);
      rig.sends(peer, next).pass(20);
      const after = rig.sent('ack', peer).at(-1)!;
      assert.equal(after.atMs! - before.atMs!, ms + 20);
    });

    it('is woken in time', () => {
      const { rig } = askedOfTwo();
      standStill(rig, ms);
      const wakeMs = rig.exchange.nextWakeMs()!;
      assert.ok(wakeMs >= rig.nowMs && wakeMs <= rig.nowMs + TICK_MS, String(wakeMs - rig.nowMs));
    });
  });
}

describe('Exchange: time without a wake', () => {
  it('counts where none was to come', () => {
    const rig = new Rig().add('xxxx');
    assert.equal(rig.exchange.nextWakeMs(), undefined);
    rig.nowMs += 3_600_000;
    rig.join('a', '....');
    const [grant] = rig.sent('grant', 'a');
    rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 0, count: 1 }] });
    assert.equal(rig.exchange.nextWakeMs()! <= rig.nowMs + TICK_MS, true);
    assert.deepEqual(rig.faults(), []);
  });

  it('counts for the most part where all wakes are late: what never comes is given up all the same', () => {
    const { rig } = askedOfTwo();
    let cancelled = 0;
    for (let i = 0; i < 8 && cancelled === 0; i++) cancelled += standStill(rig, 5000).sent('cancel').length;
    assert.ok(cancelled > 0);
  });
});
