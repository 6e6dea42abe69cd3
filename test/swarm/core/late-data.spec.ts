import assert from 'node:assert/strict';
import {
  JOIN_BURST,
  JOIN_FLOOD,
  JOINS_PER_ASSET,
  TOMBSTONES_KEPT,
  USELESS_BURST,
} from '../../../src/swarm/core/constants.ts';
import { haveOf, Q, Rig } from './exchange-rig.ts';

/** The only chunk of the asset, from its only peer. */
const chunk = { peer: 'a', asset: 1, chunk: 0 } as const;

const wanted = (what: 'all' | 'none') => ({ type: 'want', asset: 1, wanted: what, urgent: [] }) as const;

/** An uploader that has all and a downloader: messages arrive at once, data when it is let through. */
class Pair {
  readonly seed: Rig;
  readonly leech: Rig;
  /** JOINs that the downloader sent. */
  joins = 0;
  #onTheWay: number[] = [];
  readonly #bytes: number;

  constructor(chunks: number, bytes: number) {
    this.#bytes = bytes;
    const sizes = new Uint32Array(chunks).fill(bytes);
    const firstGrantBytes = 1024 * 1024;
    this.seed = new Rig({ firstGrantBytes }).add('x'.repeat(chunks), { sizes });
    this.leech = new Rig({ firstGrantBytes }, 2).add('.'.repeat(chunks), { sizes });
    this.seed.handle({ type: 'connected', peer: 'leech' }).handle({ type: 'rtt', peer: 'leech', rttMs: 50 });
    this.leech.handle({ type: 'connected', peer: 'seed' }).handle({ type: 'rtt', peer: 'seed', rttMs: 50 });
    this.talk();
  }

  /** Both are in the asset's swarm, at both ends: nobody was cut off. */
  get isWhole(): boolean {
    return (
      this.seed.exchange.stats(1)?.peers.length === 1 && this.leech.exchange.stats(1)?.peers.length === 1
    );
  }

  /** Messages go to and fro until nobody has anything to say. What is taken back has begun to go out. */
  talk(): this {
    for (;;) {
      const said = this.leech.take();
      const answers = this.seed.take();
      if (said.length + answers.length === 0) return this;
      for (const action of answers) {
        if (action.type === 'upload') this.#onTheWay.push(action.chunk);
        if (action.type === 'send') this.leech.says('seed', action.message);
      }
      for (const action of said) {
        if (action.type !== 'send') continue;
        if (action.message.type === 'join') this.joins++;
        this.seed.says('leech', action.message);
      }
    }
  }

  /** All that is on its way arrives. @returns how many chunks that were */
  deliver(): number {
    const chunks = this.#onTheWay.splice(0);
    for (const one of chunks) {
      const isKept = this.leech.exchange.keeps('seed', 1, one);
      this.leech.handle({ type: 'data', peer: 'seed', asset: 1, chunk: one, bytes: this.#bytes, last: true });
      if (isKept) this.leech.handle({ type: 'verified', peer: 'seed', asset: 1, chunk: one });
      this.talk();
    }
    return chunks.length;
  }

  /** Nothing of what is on its way can be read. @returns how many chunks that were */
  fail(): number {
    const chunks = this.#onTheWay.splice(0);
    for (const one of chunks) {
      this.seed.handle({ type: 'upload-failed', peer: 'leech', asset: 1, chunk: one });
      this.talk();
    }
    return chunks.length;
  }

  pass(ms: number): this {
    this.leech.pass(ms);
    this.seed.pass(ms);
    return this.talk();
  }
}

describe('Exchange: data that comes after it was taken back', () => {
  const takenBack = () => new Rig().add('.').join('a', 'x').grants('a', 1).handle(wanted('none'));

  it('is acknowledged, and no more than that: who was told by CANCEL knows that it is not here', () => {
    const rig = takenBack();
    assert.equal(rig.sent('cancel', 'a').length, 1);
    rig.take();
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true }).pass(1000);
    assert.deepEqual(
      rig.take().flatMap((action) => (action.type === 'send' ? action.message.type : [])),
      ['ack'],
    );
  });

  it('is said not to be here where it is of a later request, which came to nothing as it was answered', () => {
    const rig = takenBack().handle(wanted('all')).grants('a', 2);
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    rig
      .handle({ type: 'unstored', ...chunk })
      .handle(wanted('none'))
      .pass(250);
    assert.deepEqual(rig.sent('join', 'a').at(-1)?.have, haveOf('.'));
    rig.take();
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true }).pass(250);
    const kinds = rig.take().flatMap((action) => (action.type === 'send' ? action.message.type : []));
    assert.deepEqual(kinds, ['ack', 'join']);
  });

  it('floods nobody, however many chunks were on their way when a download was stopped', () => {
    const pair = new Pair(2000, 1024);
    pair.leech.handle(wanted('none'));
    pair.talk();
    const joins = pair.joins;
    // Ten times what is answered at once is a flood.
    assert.ok(pair.deliver() > JOIN_FLOOD * (JOIN_BURST + JOINS_PER_ASSET));
    pair.pass(1000);
    assert.equal(pair.joins, joins);
    assert.ok(pair.isWhole);
    assert.equal(pair.leech.exchange.stats(1)?.chunksHere, 0);

    pair.leech.handle(wanted('all'));
    for (let round = 0; round < 20; round++) if (pair.pass(500).deliver() === 0) break;
    assert.equal(pair.leech.exchange.stats(1)?.chunksHere, 2000);
    assert.ok(pair.isWhole);
  });

  it('is announced where it is kept after all, also to who sent it', () => {
    const pair = new Pair(200, 1024);
    pair.leech.handle(wanted('none'));
    pair.talk().leech.handle(wanted('all'));
    // Without the time for another request: what comes is what was taken back.
    while (pair.deliver() > 0);
    pair.pass(3000);
    assert.equal(pair.leech.exchange.stats(1)?.chunksHere, 200);
    assert.ok(!pair.seed.exchange.isLacked(1));
    assert.ok(pair.isWhole);
  });

  for (const isStoredFirst of [true, false]) {
    const when = isStoredFirst ? 'that is here' : 'that is about to be stored';
    it(`answers a later request, and is announced to who sent it and refuses that one: a chunk ${when}`, () => {
      const refused = { type: 'reject', asset: 1, chunk: 0 } as const;
      const rig = takenBack().says('a', { ...refused, reason: 'cancelled' });
      rig.handle(wanted('all')).grants('a', 2).take();
      rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
      if (isStoredFirst) rig.handle({ type: 'verified', ...chunk });
      rig.says('a', { ...refused, reason: 'no-credit' });
      if (!isStoredFirst) rig.handle({ type: 'verified', ...chunk });
      rig.pass(1000);
      assert.deepEqual(rig.sent('have', 'a'), [{ type: 'have', asset: 1, chunks: [0] }]);
    });
  }

  it('answers a later request, and is announced to who had left with the asset, came back, and refuses that one', () => {
    const refused = { type: 'reject', asset: 1, chunk: 0 } as const;
    const rig = new Rig()
      .add('.')
      .join('a', 'x')
      .grants('a', 1)
      .says('a', { ...refused, reason: 'missing' });
    rig
      .says('a', { type: 'have', asset: 1, chunks: [0] })
      .grants('a', 2)
      .take();
    rig
      .sends('a', 0)
      .says('a', { ...refused, reason: 'no-credit' })
      .pass(1000);
    assert.deepEqual(rig.sent('have', 'a'), [{ type: 'have', asset: 1, chunks: [0] }]);
  });

  it('is told of to its sender also where it was only on its way when that was told what is here', () => {
    const rig = new Rig().add('..').join('a', 'xx').grants('a', 1);
    // It asks, as its wish for the asset changed too: by then it may take the chunk for here, for the bytes of another.
    rig.says('a', { type: 'join', asset: 1, have: haveOf('xx'), reply: true }).take();
    const [wish] = [0, 1].filter((each) => rig.exchange.expects('a', 1, each)) as [number];
    rig.sends('a', wish).pass(1000);
    assert.deepEqual(rig.sent('have', 'a'), [{ type: 'have', asset: 1, chunks: [wish] }]);
  });

  it('makes no flood of its acknowledgements', () => {
    const rig = new Rig().add('xx').join('a', '..');
    rig.says('a', { type: 'request', grant: 1, asset: 1, runs: [{ from: 0, count: 1 }] });
    rig.says('a', { type: 'cancel', asset: 1, chunk: 0 });
    for (let bytes = 1; bytes <= 2 * USELESS_BURST; bytes++) rig.says('a', { type: 'ack', bytes });
    assert.deepEqual(rig.faults(), []);
  });

  it('makes no flood of the CANCELs before it', () => {
    const count = 2 * USELESS_BURST;
    const rig = new Rig({ firstGrantBytes: count * 64 });
    rig.add('x'.repeat(count), { sizes: new Uint32Array(count).fill(64) }).join('a', '.'.repeat(count));
    for (let from = 0; from < count; from += 1024) {
      rig.says('a', { type: 'request', grant: 1 + from / 1024, asset: 1, runs: [{ from, count: 1024 }] });
    }
    assert.ok(rig.actions.filter(({ type }) => type === 'upload').length > USELESS_BURST);
    for (let one = 0; one < count; one++) {
      rig.exchange.handle(rig.nowMs, {
        type: 'message',
        peer: 'a',
        message: { type: 'cancel', asset: 1, chunk: one },
      });
    }
    rig.handle({ type: 'wake' });
    assert.equal(rig.sent('reject', 'a').length, count);
    assert.deepEqual(rig.faults(), []);
  });

  it('is no lie for as long as it comes, however slowly, nor is what comes after it of a second request', () => {
    const rig = takenBack().handle(wanted('all')).grants('a', 2);
    for (let left = Q; left > 0; left -= 1024) {
      rig.handle({ type: 'data', ...chunk, bytes: 1024, last: left === 1024 }).pass(2400);
    }
    assert.equal(rig.exchange.keeps('a', 1, 0), false);
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), []);
  });

  it('is no lie however late it comes, as behind all else that stands before a slow downlink', () => {
    const rig = takenBack().pass(600_000);
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), []);
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('is tolerated of a bounded number of chunks, the last ones', () => {
    const rig = new Rig().add('.'.repeat(2 * TOMBSTONES_KEPT)).join('a', 'x'.repeat(2 * TOMBSTONES_KEPT));
    const asked: number[] = [];
    for (let id = 1; id <= TOMBSTONES_KEPT + 100; id++) {
      rig.grants('a', id);
      const [one] = rig.asked('a') as [number];
      asked.push(one);
      rig.says('a', { type: 'reject', asset: 1, chunk: one, reason: 'failed' }).take();
    }
    rig.pass(200_000);
    for (const at of [-1, 100, 99]) {
      assert.deepEqual(rig.faults(), []);
      rig.handle({ type: 'data', peer: 'a', asset: 1, chunk: asked.at(at)!, bytes: Q, last: true });
    }
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('is no lie for as long as it comes, however slowly', () => {
    const rig = new Rig().add('.').join('a', 'x').grants('a', 1);
    rig
      .handle({ type: 'data', ...chunk, bytes: 1024, last: false })
      .handle({ type: 'asset-removed', asset: 1 });
    // A limit of 200 bytes a second: the chunk had begun, and is sent to its end.
    for (let left = Q - 1024; left > 0; left -= 1024) {
      rig.handle({ type: 'data', ...chunk, bytes: 1024, last: left === 1024 }).pass(5000);
    }
    assert.deepEqual(rig.faults(), []);
    rig.pass(300_000).handle({ type: 'data', ...chunk, bytes: 1024, last: true });
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });
});

describe('Exchange: data that comes after a reject', () => {
  const asked = () => new Rig().add('.').join('a', 'x').grants('a', 1);

  for (const reason of ['missing', 'failed', 'cancelled'] as const) {
    it(`is no lie, once, as the reject may overtake it (${reason})`, () => {
      const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason });
      rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
      assert.deepEqual(rig.faults(), []);
      rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
      assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
    });
  }

  it('is a lie where there was no credit to send it for', () => {
    const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason: 'no-credit' });
    rig.handle({ type: 'data', ...chunk, bytes: Q, last: true });
    assert.deepEqual(rig.faults(), ['ERR_PEER_UNREQUESTED_DATA']);
  });

  it('is kept where the peer replaced what it shares, and left and joined for that', () => {
    const rig = asked().says('a', { type: 'reject', asset: 1, chunk: 0, reason: 'missing' });
    rig.says('a', { type: 'leave', asset: 1 });
    rig.says('a', { type: 'join', asset: 1, have: haveOf('x'), reply: true });
    assert.ok(rig.exchange.keeps('a', 1, 0));
    rig.sends('a', 0);
    assert.equal(rig.exchange.stats(1)?.chunksHere, 1);
    assert.deepEqual(rig.faults(), []);
  });
});

describe('Exchange: chunks that cannot be read', () => {
  it('are told of together: a JOIN for each had neighbours cut off whose disk fails', () => {
    const pair = new Pair(2000, 1024);
    let failed = pair.fail();
    for (let round = 0; round < 100; round++) failed += pair.pass(20).fail();
    assert.equal(failed, 2000);
    assert.ok(pair.isWhole);
    pair.pass(250);
    assert.equal(pair.leech.exchange.stats(1)?.failed[0], 'seed');
    assert.equal(pair.seed.exchange.isLacked(1), false);
  });
});
