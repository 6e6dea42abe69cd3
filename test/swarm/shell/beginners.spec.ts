import assert from 'node:assert/strict';
import { Beginners } from '../../../src/swarm/beginners.ts';

describe('Links that a peer begins', () => {
  const begun = (beginners: Beginners, peer: string, nowMs: number): number => {
    for (let count = 0; ; count++) if (!beginners.mayBegin(peer, nowMs)) return count;
  };

  it('are so many at once, and one a second, of each peer', () => {
    const beginners = new Beginners();
    assert.equal(begun(beginners, 'a', 0), 32);
    assert.equal(begun(beginners, 'a', 999), 0);
    assert.equal(begun(beginners, 'b', 999), 32);
    assert.equal(begun(beginners, 'a', 5000), 5);
    assert.equal(begun(beginners, 'a', 1_000_000), 32);
  });

  it('are counted of so many peers, and of those that began one last', () => {
    const beginners = new Beginners();
    for (const peer of ['a', 'b']) begun(beginners, peer, 0);
    for (let n = 0; n < 1022; n++) beginners.mayBegin(`${n}`, 0);
    assert.ok(!beginners.mayBegin('a', 0));
    beginners.mayBegin('another', 0);
    assert.ok(!beginners.mayBegin('a', 0));
    assert.ok(beginners.mayBegin('b', 0), 'it made room');
  });
});
