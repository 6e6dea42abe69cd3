import assert from 'node:assert/strict';
import { haveOf, Q, Rig } from './exchange-rig.ts';

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

  it('asks a peer that wanted nothing with one grant whether it wants what it names next, and gives more when it says so', () => {
    const rig = new Rig({ firstGrantBytes: 64 * Q });
    for (let asset = 1; asset <= 3; asset++) rig.add('x'.repeat(32), { asset });
    const declineAll = (): number => {
      const grants = rig.sent('grant');
      rig.take();
      for (const { id, bytes } of grants)
        rig.says('a', { type: 'decline', grant: id, bytes, reason: 'nothing-wanted' });
      return grants.length;
    };
    const names = (asset: number): Rig =>
      rig.says('a', { type: 'join', asset, have: { kind: 'none' }, reply: true });
    rig.handle({ type: 'connected', peer: 'a' });
    names(1);
    assert.ok(declineAll() > 4);
    rig.take();
    names(2);
    assert.equal(declineAll(), 1);
    names(3);
    assert.equal(declineAll(), 1);
    names(3);
    assert.ok(rig.sent('grant').length > 4);
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
