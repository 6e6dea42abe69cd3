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

describe('Exchange: credit given', () => {
  it('grants one block while nothing was measured', () => {
    const rig = new Rig().add('xxxx').join('a', '....').join('b', '....');
    assert.equal(rig.sent('grant').length, 1);
    assert.equal(rig.exchange.committedBytes, Q);
  });

  it('uploads what is asked for with credit, and nothing beyond it', () => {
    const rig = new Rig().add('xxxx').join('a', '....');
    const [grant] = rig.sent('grant');
    rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 1, count: 2 }] });
    const uploads = rig.actions.filter(({ type }) => type === 'upload');
    assert.deepEqual(uploads, [{ type: 'upload', peer: 'a', asset: 1, chunk: 1, first: false }]);
    assert.deepEqual(rig.sent('reject'), [{ type: 'reject', asset: 1, chunk: 2, reason: 'no-credit' }]);
    assert.deepEqual(rig.faults(), []);
  });

  it('gives a chunk again that was taken for arrived, when the peer takes back its request', () => {
    const rig = new Rig().add('x').join('a', '.');
    const ask = (): void => {
      const [grant] = rig.sent('grant', 'a').slice(-1);
      rig.says('a', { type: 'request', grant: grant!.id, asset: 1, runs: [{ from: 0, count: 1 }] });
    };
    ask();
    rig.says('a', { type: 'ack', bytes: Q }).pass(1000);
    const before = rig.sent('grant', 'a').length;
    rig.says('a', { type: 'cancel', asset: 1, chunk: 0 }).pass(1000);
    assert.ok(rig.sent('grant', 'a').length > before);
  });

  it('grants more as acknowledgements show what the uplink takes', () => {
    const rig = new Rig().add('x'.repeat(64)).join('a', '.'.repeat(64));
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 0, count: 1 }] }).take();
    rig.nowMs += 60;
    rig.says('a', { type: 'ack', bytes: Q });
    // Twice 64 KiB in 60 ms, over two round trips of 50 ms and 50 ms: five blocks, and one to round up.
    assert.equal(rig.sent('grant').length, 6);
  });

  it('never commits more than its cap', () => {
    const rig = new Rig({ maxCommittedBytes: 3 * Q }).add('x'.repeat(64)).join('a', '.'.repeat(64));
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 0, count: 1 }] });
    rig.nowMs += 1;
    rig.says('a', { type: 'ack', bytes: Q });
    assert.equal(rig.exchange.committedBytes, 3 * Q);
  });

  it('takes credit back when its lease runs out', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.pass(1100).take();
    rig.pass(700);
    assert.equal(rig.exchange.committedBytes, 0, 'the credit is free again');
    assert.equal(rig.sent('grant').length, 0, 'more credit for a peer that says nothing');
    rig.says('a', { type: 'have', asset: 1, chunks: [1] });
    assert.equal(rig.sent('grant').length, 1, 'no credit for a peer that is back');
  });

  it('serves who asks too late once, as far as little was given in its place, and rejects the rest without blame', () => {
    const rig = new Rig().add('xxx').join('a', '...').pass(1800);
    rig.says('a', { type: 'have', asset: 1, chunks: [2] }).pass(1800);
    assert.equal(rig.exchange.committedBytes, 0);
    rig.join('b', '...').take();
    const ask = (grant: number, chunk: number) =>
      rig.says('a', { type: 'request', grant, asset: 1, runs: [{ from: chunk, count: 1 }] });
    ask(1, 0);
    assert.equal(rig.actions.filter(({ type }) => type === 'upload').length, 1);
    assert.equal(rig.exchange.committedBytes, 2 * Q);
    for (let i = 0; i < 40; i++) ask(2, 1);
    assert.equal(rig.sent('reject').length, 40);
    assert.deepEqual(rig.faults(), []);
    ask(1, 1);
    assert.equal(rig.sent('reject').length, 41, 'credit spent twice');
  });

  it('gives who is slow to answer longer leases, up to six seconds', () => {
    const rig = new Rig({ maxCommittedBytes: Q }).add('x'.repeat(64)).join('a', '.'.repeat(64));
    const lastGrant = () => rig.sent('grant').at(-1)!;
    const answersAfter = (ms: number): number => {
      const { id } = lastGrant();
      rig.take();
      rig.pass(ms);
      rig.says('a', { type: 'request', grant: id, asset: 1, runs: [{ from: id, count: 1 }] });
      rig.says('a', { type: 'ack', bytes: id * Q });
      return lastGrant().leaseMs;
    };
    assert.equal(lastGrant().leaseMs, 1000);
    assert.equal(answersAfter(100), 1000);
    assert.equal(answersAfter(900), 1800);
    assert.equal(answersAfter(1900), 3800);
    assert.equal(answersAfter(3500), 6000);
    for (let answers = 0; answers < 40; answers++) answersAfter(100);
    assert.equal(lastGrant().leaseMs, 1000, 'it is quick again');
  });

  it('leaves a peer that declines alone, ever longer, until that peer has news', () => {
    const rig = new Rig().add('xxxx').join('a', '....');
    const decline = (id: number) =>
      rig.says('a', { type: 'decline', grant: id, bytes: Q, reason: 'nothing-wanted' });
    decline(1).take();
    rig.pass(249);
    assert.equal(rig.sent('grant').length, 0);
    rig.pass(1);
    assert.equal(rig.sent('grant').length, 1);
    decline(2).take();
    rig.pass(499);
    assert.equal(rig.sent('grant').length, 0);
    rig.says('a', { type: 'have', asset: 1, chunks: [3] });
    assert.equal(rig.sent('grant').length, 1);
  });

  it('serves the peer that gave before the one that did not, while it downloads', () => {
    const rig = new Rig().add('x'.repeat(30) + '..').join('a', '.'.repeat(30) + 'xx');
    const before = rig.sent('grant', 'a').length;
    assert.equal(before, 1);
    rig.join('b', '.'.repeat(32));
    rig.grants('a', 1);
    rig.sends('a', rig.sent('request')[0]!.runs[0]!.from);
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 0, count: 1 }] });
    rig.nowMs += 50;
    rig.take();
    rig.says('a', { type: 'ack', bytes: Q });
    assert.ok(rig.sent('grant', 'a').length >= rig.sent('grant', 'b').length);
    assert.ok(rig.sent('grant', 'b').length >= 1, 'the newcomer has its gift');
  });

  it('has gifts for new peers, whatever it gave while it downloaded nothing', () => {
    const rig = new Rig({ uploadBytesPerSec: 2 * Q }).add('x'.repeat(40)).join('giver', '.'.repeat(40));
    const give = (chunk: number, asset: number): void => {
      const { id } = rig.pass(2000).sent('grant', 'giver').at(-1)!;
      rig.says('giver', { type: 'request', grant: id, asset, runs: [{ from: chunk, count: 1 }] }).take();
    };
    for (let chunk = 0; chunk < 30; chunk++) {
      give(chunk, 1);
      rig.says('giver', { type: 'ack', bytes: (chunk + 1) * Q });
    }
    rig.says('giver', { type: 'leave', asset: 1 }).pass(10_000);
    // From now on it downloads, and gives to who has given.
    rig.add('x'.repeat(8) + '.'.repeat(40), { asset: 2 }).take();
    rig.says('giver', { type: 'join', asset: 2, have: haveOf('.'.repeat(8) + 'x'.repeat(40)), reply: true });
    // As much as was, and is to be, given for it.
    for (let id = 1; id <= 35; id++) {
      rig.grants('giver', id);
      rig.sends('giver', rig.asked('giver').at(-1)!, 2);
    }
    give(0, 2);
    rig.join('new', '.'.repeat(48), 2).take();
    rig.says('giver', { type: 'ack', bytes: 31 * Q });
    const [first] = rig.actions.filter((action) => action.type === 'send' && action.message.type === 'grant');
    assert.equal((first as { peer: string }).peer, 'new');
  });

  it('offers first copies as the origin', () => {
    const rig = new Rig().add('xx', { origin: true }).join('a', '..');
    const [grant] = rig.sent('grant');
    assert.equal(grant?.offer?.asset, 1);
    assert.equal(grant?.offer?.chunks.length, 1);
  });

  it('rejects what it cannot read, and does not claim to have it any more', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 1, count: 1 }] }).take();
    rig.handle({ type: 'upload-failed', peer: 'a', asset: 1, chunk: 1 });
    assert.deepEqual(rig.sent('reject'), [{ type: 'reject', asset: 1, chunk: 1, reason: 'failed' }]);
    assert.deepEqual(rig.pass(250).sent('join', 'a')[0]?.have, haveOf('x.'));
  });

  it('tells of a chunk that it can read again', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 1, count: 1 }] }).take();
    rig.handle({ type: 'upload-failed', peer: 'a', asset: 1, chunk: 1 }).take();
    rig.handle({ type: 'found', asset: 1, chunk: 1 }).pass(1000);
    assert.deepEqual(
      rig.sent('have', 'a').map(({ chunks }) => chunks),
      [[1]],
    );
    rig.says('a', { type: 'ack', bytes: Q });
    rig.handle({ type: 'found', asset: 1, chunk: 1 });
    assert.deepEqual(rig.faults(), []);
  });

  it('answers a cancel with a reject, and tolerates that the data was already on its way', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 1, count: 1 }] }).take();
    rig.says('a', { type: 'cancel', asset: 1, chunk: 1 });
    assert.deepEqual(rig.sent('reject'), [{ type: 'reject', asset: 1, chunk: 1, reason: 'cancelled' }]);
    assert.equal(rig.actions.filter(({ type }) => type === 'cancel-upload').length, 1);
    rig.says('a', { type: 'ack', bytes: Q });
    assert.deepEqual(rig.faults(), []);
  });

  it('takes no uplink for fast as data arrives that was taken back: the acknowledgement is not of what was sent since', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.handle({ type: 'rtt', peer: 'a', rttMs: 20 });
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 0, count: 1 }] }).pass(1000);
    rig.says('a', { type: 'cancel', asset: 1, chunk: 0 });
    rig.says('a', { type: 'request', grant: 2, asset: 1, runs: [{ from: 1, count: 1 }] });
    rig.says('a', { type: 'ack', bytes: Q });
    assert.equal(rig.exchange.uploadBytesPerSec, 0);
    rig.pass(1000).says('a', { type: 'ack', bytes: 2 * Q });
    assert.deepEqual(rig.faults(), []);
  });

  it('closes the link of a peer that acknowledges nothing', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 1, count: 1 }] });
    rig.pass(29_000);
    assert.ok(rig.actions.every(({ type }) => type !== 'close'));
    rig.pass(3000);
    assert.ok(rig.actions.some(({ type }) => type === 'close'));
    assert.equal(rig.exchange.committedBytes, 0);
  });
});

describe('Exchange: credit spent', () => {
  it('asks for the rarest chunk when the credit comes', () => {
    const rig = new Rig().add('....').join('a', 'xxxx').join('b', 'xx.x').join('c', 'x..x');
    rig.grants('b', 1);
    assert.deepEqual(rig.sent('request', 'b'), [
      { type: 'request', grant: 1, asset: 1, runs: [{ from: 1, count: 1 }] },
    ]);
    assert.ok(rig.exchange.expects('b', 1, 1));
    assert.ok(!rig.exchange.expects('a', 1, 1));
  });

  it('asks for urgent chunks first, in their order', () => {
    const rig = new Rig().add('....').join('a', 'xxxx').join('b', '.x.x');
    rig.handle({ type: 'want', asset: 1, wanted: 'all', urgent: [3, 1] }).take();
    rig.grants('a', 1).grants('a', 2);
    assert.deepEqual(
      rig.sent('request').map(({ runs }) => runs[0]?.from),
      [3, 1],
    );
  });

  it('asks only for what is wanted', () => {
    const rig = new Rig().add('....', { wanted: 'none' }).join('a', 'xxxx');
    rig.grants('a', 1);
    assert.equal(rig.sent('decline')[0]?.reason, 'nothing-wanted');
    rig.handle({ type: 'want', asset: 1, wanted: [{ from: 2, count: 9 }], urgent: [] }).take();
    rig.grants('a', 2, 4 * Q);
    assert.deepEqual(rig.sent('request')[0]?.runs, [{ from: 2, count: 2 }]);
    assert.equal(rig.sent('decline')[0]?.bytes, 2 * Q);
  });

  it('spends one grant on many small chunks and gives the rest back', () => {
    const sizes = new Uint32Array([30_000, 30_000, 30_000]);
    const rig = new Rig().add('...', { sizes }).join('a', 'xxx');
    rig.grants('a', 1);
    assert.equal(
      rig.sent('request')[0]!.runs.reduce((sum, { count }) => sum + count, 0),
      2,
    );
    assert.equal(rig.sent('decline')[0]?.bytes, Q - 60_000);
  });

  it('takes the offer of the origin first', () => {
    for (const chunk of [0, 1, 2, 3]) {
      const rig = new Rig().add('....').join('a', 'xxxx');
      rig.says('a', { type: 'grant', id: 1, bytes: Q, leaseMs: 1000, offer: { asset: 1, chunks: [chunk] } });
      assert.equal(rig.sent('request')[0]?.runs[0]?.from, chunk);
    }
  });

  it('spends credit of one link on several assets', () => {
    const rig = new Rig().add('.').add('.', { asset: 2 }).join('a', 'x');
    rig.says('a', { type: 'join', asset: 2, have: { kind: 'all' }, reply: false });
    rig.grants('a', 1, 2 * Q);
    assert.deepEqual(
      rig
        .sent('request')
        .map(({ asset }) => asset)
        .sort(),
      [1, 2],
    );
  });

  it('does not use credit whose lease is over', () => {
    const rig = new Rig().add('..').join('a', 'xx');
    rig.says('a', { type: 'grant', id: 1, bytes: Q, leaseMs: 0 });
    assert.equal(rig.sent('decline')[0]?.reason, 'expired');
  });

  it('declines when its memory for chunks in flight is full', () => {
    const rig = new Rig({ maxInboundBytes: 2 * Q }).add('....').join('a', 'xxxx');
    rig.grants('a', 1, 4 * Q);
    assert.equal(rig.exchange.inFlightBytes, 2 * Q);
    assert.deepEqual(rig.sent('decline'), [{ type: 'decline', grant: 1, bytes: 2 * Q, reason: 'busy' }]);
  });

  it('asks for nothing more while half of that memory waits for the disk', () => {
    const rig = new Rig({ maxInboundBytes: 4 * Q }).add('....').join('a', 'xxxx');
    rig.grants('a', 1, 2 * Q);
    const asked = rig.asked();
    for (const chunk of asked) rig.handle({ type: 'data', peer: 'a', asset: 1, chunk, bytes: Q, last: true });
    rig.take();
    rig.grants('a', 2, Q);
    assert.deepEqual(rig.sent('decline'), [{ type: 'decline', grant: 2, bytes: Q, reason: 'busy' }]);
    rig.take();
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk: asked[0] as number });
    rig.grants('a', 3, Q);
    assert.equal(rig.sent('request').length, 1);
  });

  it('asks for no more than a download limit allows', () => {
    const rig = new Rig({ downloadBytesPerSec: Q }).add('.'.repeat(200)).join('a', 'x'.repeat(200));
    for (let id = 1; id <= 200; id++, rig.nowMs += 100) {
      rig.grants('a', id);
      for (const { runs } of rig.sent('request')) rig.sends('a', runs[0]!.from);
      rig.take();
    }
    const { chunksHere } = rig.exchange.stats(1)!;
    assert.ok(chunksHere >= 18 && chunksHere <= 22, `${chunksHere} chunks in 20 s at one a second`);
  });

  it('acknowledges in batches, and at once when nothing more is to come', () => {
    const rig = new Rig();
    rig
      .add('..')
      .join('a', 'xx')
      .grants('a', 1, 2 * Q)
      .take();
    rig.pass(300).handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: 1000, last: false });
    assert.deepEqual(rig.sent('ack'), []);
    rig.pass(50);
    assert.deepEqual(rig.sent('ack'), [{ type: 'ack', bytes: 1000, atMs: 300 }]);
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q - 1000, last: true });
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 1, bytes: Q, last: true });
    assert.equal(rig.sent('ack').at(-1)?.bytes, 2 * Q);
  });

  it('waits for a slow peer while its bytes come, and for what is queued behind them', () => {
    const rig = new Rig().add('....').join('a', 'xxxx');
    rig.grants('a', 1, 2 * Q);
    const [first, second] = rig.asked();
    rig.take();
    for (let sent = 0; sent < Q; sent += Q / 8) {
      rig.pass(8000);
      rig.handle({
        type: 'data',
        peer: 'a',
        asset: 1,
        chunk: first!,
        bytes: Q / 8,
        last: sent + Q / 8 === Q,
      });
    }
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk: first! });
    rig.pass(8000);
    assert.deepEqual(rig.sent('cancel'), []);
    rig.sends('a', second!);
    rig.grants('a', 2);
    rig.take();
    rig.pass(400_000);
    assert.equal(rig.sent('cancel').length, 1, 'nothing comes at all');
  });

  it('does not let a trickle hold up a chunk that another neighbour has', () => {
    const rig = new Rig().add('.').join('a', 'x').join('b', 'x');
    rig.grants('a', 1);
    for (let i = 0; i < 40 && rig.sent('cancel').length === 0; i++) {
      rig.grants('b', 2 + i).pass(5000);
      rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: 1, last: false });
    }
    assert.equal(rig.sent('cancel', 'a').length, 1);
    rig.take();
    rig.grants('b', 1);
    assert.equal(rig.sent('request', 'b').length, 1);
  });

  it('begins a download limit without the debt of what came before it', () => {
    const rig = new Rig().add('.'.repeat(200)).join('a', 'x'.repeat(200));
    for (let id = 1; id <= 100; id++) {
      rig.take();
      rig.grants('a', id);
      for (const chunk of rig.asked()) rig.sends('a', chunk);
    }
    rig.handle({ type: 'limits', uploadBytesPerSec: undefined, downloadBytesPerSec: Q });
    rig.pass(1000);
    rig.take();
    rig.grants('a', 101);
    assert.equal(rig.sent('request').length, 1);
  });

  it('asks somebody else when a peer takes too long, and tolerates its late data', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1).join('b', 'x');
    rig.pass(10_500);
    assert.deepEqual(rig.sent('cancel', 'a'), [{ type: 'cancel', asset: 1, chunk: 0 }]);
    rig.grants('b', 1);
    assert.equal(rig.sent('request', 'b').length, 1);
    assert.ok(!rig.exchange.expects('a', 1, 0));
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), []);
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('tolerates late data of each request for a chunk that it took back twice', () => {
    const rig = new Rig().add('.').join('a', 'x');
    for (const id of [1, 2]) {
      rig.handle({ type: 'want', asset: 1, wanted: 'all', urgent: [] }).grants('a', id);
      assert.equal(rig.sent('request').length, 1);
      rig.handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
      assert.equal(rig.sent('cancel').length, 1);
      rig.take();
    }
    const late = { type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true } as const;
    assert.deepEqual(rig.handle(late).handle(late).faults(), []);
    assert.deepEqual(rig.handle(late).faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('tells a peer it declined that its credit is welcome again, once a request was released', () => {
    const rig = new Rig().add('.').join('a', 'x').join('b', 'x').grants('a', 1).grants('b', 1);
    assert.equal(rig.sent('decline', 'b')[0]?.reason, 'nothing-wanted');
    rig.take();
    rig.handle({ type: 'gone', peer: 'a' }).pass(250);
    assert.equal(rig.sent('join', 'b').length, 1);
  });

  for (const type of ['unstored', 'corrupt'] as const) {
    it(`tells it so also where the chunk came, and was ${type}`, () => {
      const rig = new Rig().add('.').join('a', 'x').join('b', 'x').grants('a', 1).grants('b', 1);
      rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true }).take();
      rig.handle({ type, peer: 'a', asset: 1, chunk: 0 }).pass(250);
      assert.equal(rig.sent('join', 'b').length, 1);
    });
  }

  it('asks again for what could not be stored', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true });
    rig.handle({ type: 'unstored', peer: 'a', asset: 1, chunk: 0 }).take();
    rig.grants('a', 2);
    assert.equal(rig.sent('request').length, 1);
  });

  it('acknowledges before it asks again, as who takes a chunk to be under way refuses to send it', () => {
    const rig = new Rig().add('..').join('a', 'xx').grants('a', 1).grants('a', 2);
    const chunk = rig.sent('request')[0]?.runs[0]?.from as number;
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk, bytes: Q, last: true }).take();
    rig.handle({ type: 'unstored', peer: 'a', asset: 1, chunk }).grants('a', 3);
    const kinds = rig.take().map((action) => (action.type === 'send' ? action.message.type : action.type));
    assert.deepEqual(kinds, ['ack', 'request']);
  });

  it('acknowledges before it takes back what could not be stored, and then announces also what came with it', () => {
    const rig = new Rig().add('....').join('a', 'xxxx').grants('a', 1).grants('a', 2).grants('a', 3);
    const [lost, kept] = rig.sent('request').map(({ runs }) => runs[0]?.from ?? -1) as [number, number];
    for (const chunk of [lost, kept]) {
      rig.handle({ type: 'data', peer: 'a', asset: 1, chunk, bytes: Q, last: true });
    }
    rig.take();
    rig.handle({ type: 'unstored', peer: 'a', asset: 1, chunk: lost }).pass(250);
    const kinds = rig.take().map((action) => (action.type === 'send' ? action.message.type : action.type));
    assert.deepEqual(kinds, ['ack', 'join']);
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk: kept }).pass(1000);
    assert.deepEqual(
      rig.sent('have', 'a').flatMap(({ chunks }) => chunks),
      [kept],
    );
  });

  it('keeps a chunk that comes after it was taken back, where nobody else was asked for it', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig.pass(10_500);
    assert.equal(rig.sent('cancel', 'a').length, 1);
    rig.take();
    assert.ok(rig.exchange.keeps('a', 1, 0));
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true });
    rig.grants('a', 2);
    assert.equal(rig.sent('request').length, 0, 'it is being verified');
    assert.equal(rig.exchange.inFlightBytes, Q);
    assert.ok(!rig.exchange.keeps('a', 1, 0), 'once is enough');
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk: 0 });
    assert.equal(rig.exchange.inFlightBytes, 0);
    // It was told that the chunk did not come.
    rig.pass(1000);
    const kinds = rig.take().map((action) => (action.type === 'send' ? action.message.type : action.type));
    assert.deepEqual(kinds, ['decline', 'complete', 'have', 'ack']);
  });

  it('keeps a chunk that comes after it was taken back and asked of another, who is spared it', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1).join('b', 'x');
    rig.pass(10_500).grants('b', 1);
    assert.equal(rig.sent('request', 'b').length, 1);
    assert.ok(rig.exchange.keeps('a', 1, 0));
    rig.sends('a', 0);
    assert.equal(rig.sent('cancel', 'b').length, 1);
    assert.equal(rig.exchange.stats(1)?.chunksHere, 1);
    assert.equal(rig.exchange.inFlightBytes, 0);
  });

  it('waits for what a second peer has sent of a chunk that is lost again while that is stored', () => {
    const rig = new Rig().add('.').join('a', 'x').join('b', 'x').grants('a', 1).pass(20_000).grants('b', 1);
    for (const peer of ['a', 'b'])
      rig.handle({ type: 'data', peer, asset: 1, chunk: 0, bytes: Q, last: true });
    rig.handle({ type: 'verified', peer: 'a', asset: 1, chunk: 0 });
    rig.handle({ type: 'upload-failed', peer: 'b', asset: 1, chunk: 0 }).take();
    rig.grants('b', 2);
    assert.deepEqual(rig.sent('request'), []);
    rig.handle({ type: 'verified', peer: 'b', asset: 1, chunk: 0 });
    assert.equal(rig.exchange.inFlightBytes, 0);
  });

  it('asks again for a chunk whose beginning was dropped before it was asked for again', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig.handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
    assert.ok(!rig.exchange.keeps('a', 1, 0));
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q >> 1, last: false });
    rig.handle({ type: 'want', asset: 1, wanted: 'all', urgent: [] }).grants('a', 2);
    assert.ok(rig.exchange.keeps('a', 1, 0));
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q >> 1, last: true });
    rig.handle({ type: 'unstored', peer: 'a', asset: 1, chunk: 0 });
    rig.sends('a', 0);
    assert.equal(rig.exchange.stats(1)?.chunksHere, 1);
    assert.deepEqual(rig.faults(), []);
  });

  it('asks once more where what came of a chunk asked for twice was dropped whole', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig.handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
    rig.handle({ type: 'want', asset: 1, wanted: 'all', urgent: [] }).grants('a', 2);
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: Q, last: true });
    rig.handle({ type: 'unstored', peer: 'a', asset: 1, chunk: 0 });
    assert.equal(rig.exchange.inFlightBytes, 0);
    rig.take();
    rig.grants('a', 3);
    assert.equal(rig.sent('request', 'a').length, 1);
    assert.deepEqual(rig.faults(), []);
  });

  it('takes a reject of what it took back for no reject of what it asked for since', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig.handle({ type: 'want', asset: 1, wanted: 'none', urgent: [] });
    rig.handle({ type: 'want', asset: 1, wanted: 'all', urgent: [] }).grants('a', 2);
    assert.equal(rig.sent('request', 'a').length, 2);
    const reject = { type: 'reject', asset: 1, chunk: 0, reason: 'cancelled' } as const;
    rig.says('a', reject);
    assert.ok(rig.exchange.expects('a', 1, 0));
    rig.says('a', reject);
    assert.ok(!rig.exchange.expects('a', 1, 0));
  });

  it('asks others at once when a peer says goodbye', () => {
    const rig = new Rig();
    rig.add('.').join('a', 'x').grants('a', 1).join('b', 'x').take();
    rig.says('a', { type: 'bye', reason: 'closing' }).grants('b', 1);
    assert.equal(rig.sent('request', 'b').length, 1);
    assert.equal(rig.sent('request', 'a').length, 0);
  });
});

describe('Exchange: peers that lie', () => {
  const cases: [string, string, (rig: Rig) => unknown][] = [
    [
      'a bitfield of another length',
      'ERR_PEER_BAD_BITFIELD',
      (rig) =>
        rig.says('a', {
          type: 'join',
          asset: 1,
          have: { kind: 'some', bits: new Uint8Array(9) },
          reply: false,
        }),
    ],
    [
      'a chunk number beyond the asset',
      'ERR_PEER_OUT_OF_RANGE',
      (rig) => rig.says('a', { type: 'have', asset: 1, chunks: [4] }),
    ],
    [
      'a request beyond the asset',
      'ERR_PEER_OUT_OF_RANGE',
      (rig) => rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 3, count: 2 }] }),
    ],
    [
      'data nobody asked for',
      'ERR_PEER_UNREQUESTED_DATA',
      (rig) => rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: 1, last: false }),
    ],
    [
      'more data than the chunk has',
      'ERR_PEER_UNREQUESTED_DATA',
      (rig) => {
        rig.grants('a', 1, 4 * Q);
        rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 2, bytes: Q + 1, last: false });
      },
    ],
    [
      'a part of a chunk as its end',
      'ERR_PEER_UNREQUESTED_DATA',
      (rig) => {
        rig.grants('a', 1, 4 * Q);
        rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 2, bytes: 10, last: true });
      },
    ],
    [
      'a chunk that does not verify',
      'ERR_PEER_BAD_CHUNK',
      (rig) => {
        rig.grants('a', 1, 4 * Q);
        rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 2, bytes: Q, last: true });
        rig.handle({ type: 'corrupt', peer: 'a', asset: 1, chunk: 2 });
      },
    ],
    [
      'an acknowledgement of more than it was sent',
      'ERR_PEER_FALSE_ACK',
      (rig) => rig.says('a', { type: 'ack', bytes: 1 }),
    ],
    [
      'requests without credit, over and over',
      'ERR_PEER_FLOOD',
      (rig) => {
        for (let i = 0; i < 33; i++) {
          rig.says('a', { type: 'request', grant: 99, asset: 1, runs: [{ from: 0, count: 1 }] });
        }
        assert.equal(rig.sent('reject').length, 33);
      },
    ],
    [
      'JOIN, over and over',
      'ERR_PEER_FLOOD',
      (rig) => {
        for (let i = 0; i < 800; i++)
          rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: true });
      },
    ],
  ];
  for (const [what, code, lie] of cases) {
    it(`cuts off who sends ${what}`, () => {
      const rig = new Rig().add('xx..').join('a', '..xx').join('b', '..xx');
      rig.take();
      lie(rig);
      assert.deepEqual(rig.faults(), [code]);
      assert.equal(rig.exchange.inFlightBytes, 0);
      assert.deepEqual(rig.exchange.stats(1)?.peers, ['b']);
      rig.take();
      rig.grants('a', 7);
      assert.deepEqual(rig.take(), [], 'it no longer exists here');
    });
  }

  it('answers one JOIN after another where each is of another asset, or follows a LEAVE', () => {
    const rig = new Rig().handle({ type: 'connected', peer: 'a' });
    for (let asset = 1; asset <= 300; asset++) rig.add('xx', { asset });
    for (let asset = 1; asset <= 300; asset++) {
      for (let again = 0; again < 3; again++) {
        rig.says('a', { type: 'join', asset, have: { kind: 'none' }, reply: true });
      }
    }
    assert.equal(rig.sent('join').length, 900);
    rig.nowMs += 1000;
    rig.take();
    for (let asset = 1; asset <= 300; asset++) {
      rig.says('a', { type: 'leave', asset });
      rig.says('a', { type: 'join', asset, have: { kind: 'none' }, reply: true });
    }
    assert.equal(rig.sent('join').length, 300);
    assert.deepEqual(rig.faults(), []);
  });

  it('passes JOINs over long before it calls them a flood', () => {
    const rig = new Rig().add('xx..').join('a', '..xx');
    rig.take();
    for (let i = 0; i < 500; i++)
      rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: true });
    const answered = rig.sent('join').length;
    assert.ok(answered >= 64 && answered < 80, `${answered} answers`);
    assert.deepEqual(rig.faults(), []);
  });

  it('does not dial whatever a peer makes up', () => {
    const rig = new Rig().add('....').join('a', 'xxxx');
    let dials = 0;
    for (let id = 0; id < 10_000; id += 50) {
      const contacts = Array.from({ length: 50 }, (_, i) => ({ peer: `fake${id + i}`, addresses: [] }));
      rig.says('a', { type: 'peers', asset: 1, contacts, progress: 0 });
      for (let actions = rig.take(); actions.length > 0; actions = rig.take()) {
        for (const action of actions) {
          if (action.type !== 'dial') continue;
          dials++;
          rig.handle({ type: 'dial-failed', peer: action.contact.peer });
        }
      }
      rig.nowMs += 5;
    }
    assert.ok(dials >= 30 && dials <= 40, `${dials} dials`);
  });

  it('is not impressed by numbers that are none', () => {
    const rig = new Rig().add('xx..').join('a', '..xx');
    rig.says('a', { type: 'grant', id: 1, bytes: Number.NaN, leaseMs: 1000 });
    rig.says('a', { type: 'grant', id: 1, bytes: -5, leaseMs: 1000 });
    rig.says('a', { type: 'decline', grant: 1, bytes: Number.NaN, reason: 'busy' });
    rig.says('a', { type: 'have', asset: 77, chunks: [1e9] });
    assert.deepEqual(rig.faults(), []);
  });
});
