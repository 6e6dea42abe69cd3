import assert from 'node:assert/strict';
import { MemoryAtRest, type Usage } from '../../src/node/memory-at-rest.ts';

const MB = 1e6;

/** A process that is looked at every 30 s. */
class Process {
  readonly usage: Usage = { cpuMs: 0, rssBytes: 0, heapBytes: 40 * MB, youngBytes: 2 * MB };
  collections = 0;
  readonly #memory = new MemoryAtRest(
    () => this.usage,
    () => {
      this.collections++;
      this.usage.rssBytes -= 100 * MB;
    },
  );

  /** @param rss MB. @param share of a core. @returns whether that led to a collection */
  look(rss: number, share = 0.01): boolean {
    const before = this.collections;
    this.usage.rssBytes = rss * MB;
    this.usage.cpuMs += share * 30_000;
    this.#memory.look();
    return this.collections > before;
  }
}

describe('the memory of a node at rest', () => {
  it('is collected once when the work is over, not while it goes on', () => {
    const node = new Process();
    assert.equal(node.look(200, 0.5), false);
    assert.equal(node.look(300, 0.5), false);
    assert.equal(node.look(300), true);
    assert.equal(node.look(180), false);
    assert.equal(node.look(185), false);
  });

  it('is collected again when enough has come together', () => {
    const node = new Process();
    node.look(300);
    assert.equal(node.look(180), false);
    assert.equal(node.look(190), false);
    assert.equal(node.look(197), true);
    assert.equal(node.look(100), false);
  });

  it('is collected in the midst of work where the young generation has grown, and no other heap is in the way', () => {
    const node = new Process();
    node.usage.youngBytes = 16 * MB;
    assert.equal(node.look(150, 0.9), true);
    node.usage.youngBytes = 8 * MB;
    assert.equal(node.look(140, 0.9), false);
    node.usage.youngBytes = 32 * MB;
    node.usage.heapBytes = 100 * MB;
    assert.equal(node.look(250, 0.9), false);
  });

  it('is left to V8 where the heap is large', () => {
    const node = new Process();
    node.usage.heapBytes = 1000 * MB;
    assert.equal(node.look(1500), false);
  });
});
