import assert from 'node:assert/strict';
import { AwaitedNodes } from '../../../src/swarm/awaited-nodes.ts';

describe('nodes awaited of a peer', () => {
  it('are counted over all roots, and taken back for one', () => {
    const awaited = new AwaitedNodes();
    awaited.asked(1, 5);
    awaited.asked(2, 3);
    assert.ok(awaited.answered(1, false, 10));
    assert.deepEqual([awaited.count, awaited.answeredAtMs], [7, 10]);
    assert.ok(awaited.takeBack(1));
    assert.equal(awaited.count, 3);
    assert.ok(!awaited.takeBack(1), 'it was told so');
  });

  it('may come after they were taken back, and no others', () => {
    const awaited = new AwaitedNodes();
    awaited.asked(1, 2);
    awaited.takeBack(1);
    assert.deepEqual(
      [1, 2, 3].map(() => awaited.answered(1, true, 0)),
      [true, true, false],
    );
    assert.equal(awaited.count, 0);
  });

  it('are thanked for once, where the peer had any', () => {
    const awaited = new AwaitedNodes();
    awaited.asked(1, 1);
    awaited.asked(2, 1);
    awaited.answered(1, true, 0);
    awaited.answered(2, false, 0);
    assert.deepEqual([awaited.takeBack(1), awaited.takeBack(1), awaited.takeBack(2)], [true, false, false]);
  });
});
