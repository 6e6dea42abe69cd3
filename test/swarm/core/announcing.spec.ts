import assert from 'node:assert/strict';
import { haveOf, Q, Rig } from './exchange-rig.ts';

describe('Exchange: who is told what', () => {
  it('names what it wants on every link, and what it only serves in answer', () => {
    const leecher = new Rig().add('x...').handle({ type: 'connected', peer: 'a' });
    assert.deepEqual(leecher.sent('join'), [{ type: 'join', asset: 1, have: haveOf('x...'), reply: true }]);
    const seed = new Rig().add('xxxx').handle({ type: 'connected', peer: 'a' });
    assert.deepEqual(seed.sent('join'), []);
    seed.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: true });
    assert.deepEqual(seed.sent('join'), [{ type: 'join', asset: 1, have: { kind: 'all' }, reply: false }]);
  });

  it('does not ask once more for what was named before the link was up, and answers the answer', () => {
    const rig = new Rig().add('x...').handle({ type: 'connected', peer: 'a', named: [1] });
    assert.deepEqual(rig.sent('join'), []);
    rig.says('a', { type: 'join', asset: 1, have: haveOf('.x..'), reply: false });
    assert.deepEqual(rig.sent('join'), [{ type: 'join', asset: 1, have: haveOf('x...'), reply: false }]);
  });

  it('does not ask who opened the link before what that wants can have come, and then asks', () => {
    const asked = new Rig().add('x...').handle({ type: 'connected', peer: 'a', isAccepted: true });
    assert.deepEqual(asked.sent('join'), []);
    asked.pass(50);
    assert.deepEqual(asked.sent('join'), [{ type: 'join', asset: 1, have: haveOf('x...'), reply: true }]);
    const answering = new Rig().add('x...').handle({ type: 'connected', peer: 'a', isAccepted: true });
    answering.says('a', { type: 'join', asset: 1, have: haveOf('.x..'), reply: true }).pass(50);
    assert.deepEqual(answering.sent('join'), [
      { type: 'join', asset: 1, have: haveOf('x...'), reply: false },
    ]);
  });

  it('answers it also where nothing is wanted any more', () => {
    const rig = new Rig().add('xxx.').join('b', 'xxxx');
    rig
      .handle({ type: 'connected', peer: 'a', named: [1] })
      .grants('b', 1)
      .sends('b', 3);
    rig.says('a', { type: 'join', asset: 1, have: haveOf('.x..'), reply: false });
    assert.deepEqual(rig.sent('join', 'a'), [
      { type: 'join', asset: 1, have: { kind: 'all' }, reply: false },
    ]);
  });

  it('names an asset that is added later on the links there are', () => {
    const rig = new Rig().handle({ type: 'connected', peer: 'a' }).add('....');
    assert.equal(rig.sent('join', 'a').length, 1);
  });

  it('announces verified chunks in one batch, to all but the one who sent them', () => {
    const rig = new Rig().add('....').join('a', 'xxxx').join('b', 'x...').join('c', 'xxxx');
    rig.says('a', { type: 'grant', id: 1, bytes: 4 * Q, leaseMs: 1000 });
    for (const chunk of [0, 1, 2, 3]) rig.sends('a', chunk);
    rig.pass(50);
    assert.deepEqual(rig.sent('have', 'a'), []);
    const told = rig.sent('have', 'b').flatMap(({ chunks }) => chunks);
    assert.deepEqual(told.sort(), [0, 1, 2, 3]);
    assert.ok(rig.sent('have', 'c').length >= 1);
  });

  it('tells many neighbours of news the more seldom the slower its uplink is', () => {
    const all = 'x'.repeat(8);
    const rig = new Rig().add('.......x').join('a', all).join('b', '........');
    for (let n = 0; n < 20; n++) rig.join(`p${n}`, all);
    const [grant] = rig.sent('grant', 'b');
    assert.ok(grant);
    rig.says('a', { type: 'grant', id: 1, bytes: 8 * Q, leaseMs: 1000 });
    const heard = (ms: number) => {
      rig.take();
      rig.pass(ms);
      return rig.sent('have', 'p3').map(({ chunks }) => chunks);
    };
    rig.sends('a', 0);
    assert.deepEqual(heard(300), [[0]]);

    rig.says('b', { type: 'request', grant: grant.id, asset: 1, runs: [{ from: 7, count: 1 }] });
    rig.nowMs += 600;
    rig.says('b', { type: 'ack', bytes: Q });
    assert.ok(rig.exchange.uploadBytesPerSec > 0 && rig.exchange.uploadBytesPerSec < 200_000);
    rig.sends('a', 1);
    assert.deepEqual(heard(2900), []);
    rig.sends('a', 2);
    assert.deepEqual(heard(1200), [[1, 2]]);
  });

  it('asks a connected peer again that left what is wanted, more and more rarely', () => {
    const rig = new Rig().add('..').join('a', 'xx');
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      rig.says('a', { type: 'leave', asset: 1 }).take();
      const leftAtMs = rig.nowMs;
      while (rig.sent('join', 'a').length === 0) rig.pass(1000);
      waits.push(Math.round((rig.nowMs - leftAtMs) / 10_000));
      rig.says('a', { type: 'join', asset: 1, have: { kind: 'all' }, reply: false });
    }
    assert.deepEqual(waits, [1, 2, 4]);
    rig.says('a', { type: 'leave', asset: 1 }).handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
    rig.take();
    assert.deepEqual(rig.pass(200_000).sent('join'), []);
  });

  it('tells a peer that joins late what it announced meanwhile', () => {
    const rig = new Rig().add('..').join('a', 'xx').handle({ type: 'connected', peer: 'b' });
    rig.grants('a', 1);
    const chunk = rig.sent('request')[0]!.runs[0]!.from;
    rig.sends('a', chunk).pass(50).take();
    rig.says('b', { type: 'join', asset: 1, have: { kind: 'none' }, reply: false });
    assert.deepEqual(rig.sent('join', 'b')[0]?.have, haveOf(chunk === 0 ? 'x.' : '.x'));
  });

  it('says when all that is wanted is here, once', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1).sends('a', 0).pass(1000);
    assert.equal(rig.actions.filter(({ type }) => type === 'complete').length, 1);
    const stats = rig.exchange.stats(1);
    assert.deepEqual([...stats!.receivedByPeer], [['a', Q]]);
    assert.equal(stats!.chunksHere, 1);
  });

  it('leaves with cancels for what it asked', () => {
    const rig = new Rig().add('..').join('a', 'xx').grants('a', 1);
    rig.handle({ type: 'asset-removed', asset: 1 });
    assert.equal(rig.sent('leave', 'a').length, 1);
    assert.equal(rig.sent('cancel', 'a').length, 1);
    assert.equal(rig.exchange.stats(1), undefined);
    assert.equal(rig.exchange.inFlightBytes, 0);
  });

  it('passes on contacts to a new neighbour at once', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.handle({ type: 'reachable', peer: 'a', addresses: ['/sim/a'] }).take();
    rig.join('b', '..');
    assert.deepEqual(rig.sent('peers', 'b')[0]?.contacts, [{ peer: 'a', addresses: ['/sim/a'] }]);
  });

  it('passes on contacts again when one of them is elsewhere, and not when it says once more where it is', () => {
    const rig = new Rig().add('xx').join('a', '..').join('b', '..');
    const isAt = (address: string): Rig =>
      rig.handle({ type: 'reachable', peer: 'a', addresses: [address] }).pass(60_000);
    isAt('/sim/a').take();
    assert.deepEqual(isAt('/sim/a').sent('peers'), []);
    const [told] = isAt('/sim/elsewhere').sent('peers', 'b');
    assert.deepEqual(told?.contacts, [{ peer: 'a', addresses: ['/sim/elsewhere'] }]);
  });

  it('passes on contacts again the more seldom the more neighbours it has', () => {
    const toldAfterMs = (neighbours: number): number => {
      const rig = new Rig().add('xx');
      for (let n = 0; n < neighbours; n++) rig.join(`p${n}`, '..');
      rig.pass(200_000).handle({ type: 'reachable', peer: 'p0', addresses: ['/sim/p0'] });
      rig.pass(2000).take();
      rig.handle({ type: 'reachable', peer: 'p1', addresses: ['/sim/p1'] });
      let ms = 0;
      for (; rig.pass(1000).sent('peers', 'p2').length === 0; ms += 1000);
      return ms;
    };
    assert.ok(Math.abs(toldAfterMs(4) - 20_000) < 4000);
    assert.ok(Math.abs(toldAfterMs(32) - 160_000) < 4000);
  });

  it('dials contacts while it has few neighbours, never itself', () => {
    const rig = new Rig({ self: 'me' }).add('..');
    const contacts = ['me', 'a', 'b'].map((peer) => ({ peer, addresses: [`/sim/${peer}`] }));
    rig.handle({ type: 'contacts', asset: 1, contacts });
    const dialled = rig.actions.flatMap((action) => (action.type === 'dial' ? [action.contact.peer] : []));
    assert.deepEqual(dialled.sort(), ['a', 'b']);
    rig.take();
    rig.handle({ type: 'dial-failed', peer: 'a' });
    assert.deepEqual(rig.take(), []);
    rig.pass(6000);
    assert.equal(rig.actions.filter(({ type }) => type === 'dial').length, 1);
  });

  it('closes links beyond twice the degree', () => {
    const rig = new Rig({ degree: 2 }).add('....');
    for (const peer of 'abcdef') rig.join(peer, 'x...');
    rig.pass(1000);
    assert.equal(rig.actions.filter(({ type }) => type === 'close').length, 2);
  });
});
