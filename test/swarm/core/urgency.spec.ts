import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

/** Two neighbours that have everything: `fast` takes 50 ms for a chunk, `slow` two seconds. */
function rigOf(chunks: number): Rig {
  const rig = new Rig()
    .add('.'.repeat(chunks))
    .join('fast', 'x'.repeat(chunks))
    .join('slow', 'x'.repeat(chunks));
  const last = chunks - 1;
  for (const [peer, ms, chunk] of [
    ['slow', 2000, last],
    ['fast', 50, last - 1],
  ] as const) {
    hurry(rig, [chunk]);
    rig.grants(peer, 1).pass(ms).sends(peer, chunk);
  }
  rig.take();
  return rig;
}

function hurry(rig: Rig, urgent: number[], dueInMs?: number[]): void {
  rig.handle({ type: 'urgent', asset: 1, urgent, dueInMs });
}

describe('Exchange: what readers wait for', () => {
  it('asks for what is due first, first', () => {
    const rig = new Rig().add('......').join('a', 'xxxxxx');
    hurry(rig, [1, 2, 3], [3000, 10, 2000]);
    for (const id of [1, 2, 3]) rig.grants('a', id);
    assert.deepEqual(rig.asked('a'), [2, 3, 1]);
  });

  it('leaves the next deadline to the peer that can meet it, and gives a slow one what is due later', () => {
    const rig = rigOf(8);
    hurry(rig, [0, 1, 2], [100, 300, 3000]);
    rig.grants('slow', 2).grants('fast', 2).grants('fast', 3);
    assert.deepEqual(rig.asked('slow'), [2]);
    assert.deepEqual(rig.asked('fast'), [0, 1]);
  });

  it('asks a slow peer all the same where nobody else has the chunk', () => {
    const rig = new Rig().add('....').join('slow', 'xxxx').join('fast', '.xxx');
    hurry(rig, [3]);
    rig.grants('slow', 1).pass(2000).sends('slow', 3).take();
    hurry(rig, [0], [10]);
    rig.grants('slow', 2);
    assert.deepEqual(rig.asked('slow'), [0]);
  });

  it('takes what will be late back from a slow peer, once, and asks a faster one', () => {
    const rig = rigOf(8);
    hurry(rig, [0], [4000]);
    rig.grants('slow', 2);
    assert.deepEqual(rig.asked('slow'), [0]);
    // The reader turns out to be faster.
    hurry(rig, [0], [200]);
    rig.pass(250);
    assert.deepEqual(
      rig.sent('cancel').map(({ chunk }) => chunk),
      [0],
    );
    rig.take();
    rig.grants('fast', 2);
    assert.deepEqual(rig.asked('fast'), [0]);
    rig.pass(1000);
    assert.equal(rig.sent('cancel').length, 0);
  });

  it('takes back nothing that has begun to come', () => {
    const rig = rigOf(8);
    hurry(rig, [0], [4000]);
    rig
      .grants('slow', 2)
      .handle({ type: 'data', peer: 'slow', asset: 1, chunk: 0, bytes: Q / 2, last: false });
    hurry(rig, [0], [100]);
    rig.pass(500);
    assert.equal(rig.sent('cancel').length, 0);
  });

  it('takes back what a reader that went elsewhere does not want any more', () => {
    const rig = new Rig().add('........', { wanted: 'none' }).join('a', 'xxxxxxxx');
    const want = (from: number, urgent: number[]): void => {
      rig.handle({ type: 'want', asset: 1, wanted: [{ from, count: 8 - from }], urgent });
    };
    want(0, [0, 1]);
    rig.grants('a', 1, 2 * Q).handle({ type: 'data', peer: 'a', asset: 1, chunk: 0, bytes: 10, last: false });
    rig.take();
    want(6, [6, 7]);
    assert.deepEqual(
      rig.sent('cancel').map(({ chunk }) => chunk),
      [1],
    );
    rig.grants('a', 2, 2 * Q);
    assert.deepEqual(rig.asked('a'), [6, 7]);
  });

  it('passes over urgent chunks that do not exist, and keeps no more than a bound', () => {
    const rig = new Rig().add('....').join('a', 'xxxx');
    hurry(rig, [-1, 99, 2, ...Array.from({ length: 5000 }, (_, i) => i)]);
    rig.grants('a', 1);
    assert.deepEqual(rig.asked('a'), [2]);
  });
});
