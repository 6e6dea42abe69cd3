import assert from 'node:assert/strict';
import { CHANGES_PER_JOIN } from '../../../src/swarm/core/constants.ts';
import type { Have } from '../../../src/swarm/core/messages.ts';
import { Q, Rig } from './exchange-rig.ts';

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

  it('cuts off who sent a chunk that does not verify, though the asset was removed meanwhile', () => {
    const rig = new Rig()
      .add('xx..')
      .join('a', '..xx')
      .grants('a', 1, 4 * Q);
    rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: 2, bytes: Q, last: true });
    rig.handle({ type: 'asset-removed', asset: 1 }).take();
    rig.handle({ type: 'corrupt', peer: 'a', asset: 1, chunk: 2 });
    assert.deepEqual(rig.faults(), ['ERR_PEER_BAD_CHUNK']);
  });

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

  it('counts a JOIN that changes very many chunks as many, also over links that are opened anew', () => {
    const chunks = 4 * CHANGES_PER_JOIN;
    const rig = new Rig().add('x'.repeat(chunks), { origin: true }).handle({ type: 'connected', peer: 'a' });
    const flip = (n: number): void => {
      const have: Have = { kind: n % 2 ? 'none' : 'all' };
      rig.says('a', { type: 'join', asset: 1, have, reply: true });
    };
    for (let n = 0; n < 40; n++) flip(n);
    const answered = rig.sent('join', 'a').length;
    assert.ok(answered > 10 && answered < 20, `${answered} answers`);
    rig.handle({ type: 'gone', peer: 'a' }).handle({ type: 'connected', peer: 'a' }).take();
    for (let n = 0; n < 20; n++) flip(n);
    const again = rig.sent('join', 'a').length;
    assert.ok(again >= 1 && again < 5, `${again} answers`);
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

  it('asks whom it passed over to join again: it would wait for an answer for ever', () => {
    const rig = new Rig().add('xx').join('a', '..');
    for (let i = 0; i < 100; i++) {
      rig.says('a', { type: 'leave', asset: 1 });
      rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: true });
    }
    assert.deepEqual(rig.exchange.stats(1)?.peers, []);
    rig.take();
    rig.pass(2000);
    assert.deepEqual(rig.sent('join', 'a').map(({ reply }) => reply), [true]); // prettier-ignore
    rig.take();
    rig.says('a', { type: 'join', asset: 1, have: { kind: 'none' }, reply: false });
    assert.deepEqual(rig.exchange.stats(1)?.peers, ['a']);
    rig.pass(20_000);
    assert.equal(rig.sent('join').length, 0, 'once');
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
