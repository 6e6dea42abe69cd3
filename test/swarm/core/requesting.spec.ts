import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

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
