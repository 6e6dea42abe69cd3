import assert from 'node:assert/strict';
import { DownlinkQueue } from '../../../src/swarm/core/downlink-queue.ts';
import { Q, Rig } from './exchange-rig.ts';

const NEIGHBOURS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** A node that has asked each of nine neighbours for a chunk. */
class Downloader {
  readonly rig = new Rig().add('.'.repeat(200));
  readonly #asked = new Map<string, number>();
  readonly #left = new Map<string, number>();

  constructor() {
    for (const peer of [...NEIGHBOURS, 'late']) {
      this.rig.join(peer, 'x'.repeat(200));
      this.#ask(peer);
    }
  }

  #ask(peer: string): void {
    this.rig.take();
    this.rig.grants(peer, 1000 + this.rig.nowMs);
    const [chunk] = this.rig.asked(peer);
    assert.ok(chunk !== undefined, `${peer} is asked for a chunk`);
    this.#asked.set(peer, chunk);
    this.#left.set(peer, Q);
  }

  /** Each of the eight sends as much in turn; who has sent a chunk is asked for another one. @returns who was given up */
  run(seconds: number, bytesPerSec: number): string[] {
    const givenUp: string[] = [];
    const bytes = bytesPerSec / NEIGHBOURS.length;
    for (let sec = 0; sec < seconds; sec++) {
      for (const peer of NEIGHBOURS) this.#sends(peer, bytes);
      this.rig.take();
      this.rig.pass(1000);
      for (const action of this.rig.actions) {
        if (action.type === 'send' && action.message.type === 'cancel') givenUp.push(action.peer);
      }
    }
    return givenUp;
  }

  #sends(peer: string, most: number): void {
    const chunk = this.#asked.get(peer) as number;
    const left = this.#left.get(peer) as number;
    const bytes = Math.min(left, most);
    if (bytes === 0) return;
    const last = bytes === left;
    this.#left.set(peer, left - bytes);
    this.rig.handle({ type: 'data', peer, asset: 1, chunk, bytes, last });
    if (!last) return;
    this.rig.handle({ type: 'verified', peer, asset: 1, chunk });
    this.#ask(peer);
  }
}

describe('Exchange: a slow downlink before which many neighbours stand', () => {
  it('takes nobody for late whose chunk stands behind those of the others', () => {
    assert.deepEqual(new Downloader().run(60, 20_000), []);
  });

  it('gives up who sends nothing where there is room for it', () => {
    assert.deepEqual(new Downloader().run(20, 400_000), ['late']);
  });

  it('gives up who sends nothing when what the others were asked for is here', () => {
    const downloader = new Downloader();
    downloader.run(20, 20_000);
    assert.deepEqual(new Set(downloader.run(150, 0)), new Set([...NEIGHBOURS, 'late']));
  });
});

describe('DownlinkQueue', () => {
  it('is what others were asked for who send, over the best that came of late', () => {
    const queue = new DownlinkQueue();
    const silent = { requestedBytes: 1_000_000, lastDataAtMs: 0 };
    const look = (nowMs: number): number[] => {
      const sender = { requestedBytes: 50_000, lastDataAtMs: nowMs - 100 };
      queue.look(nowMs, [sender, sender, silent]);
      return [silent, sender].map((peer) => queue.aheadMs(nowMs, peer));
    };
    look(0);
    queue.came(20_000);
    assert.deepEqual(look(2000), [10_000, 5000]);
    // What it could do a moment ago it can do now, though little comes.
    queue.came(1000);
    assert.deepEqual(look(4000), [10_000, 5000]);
    assert.deepEqual(look(6000), [10_000, 5000]);
  });

  it('is nothing while nothing is known, or nothing is on its way', () => {
    const queue = new DownlinkQueue();
    const silent = { requestedBytes: 1000, lastDataAtMs: 0 };
    queue.look(1000, [{ requestedBytes: 50_000, lastDataAtMs: 900 }]);
    assert.equal(queue.aheadMs(1000, silent), 0);
    queue.came(10_000);
    queue.look(3000, [{ requestedBytes: 0, lastDataAtMs: 2000 }]);
    assert.equal(queue.aheadMs(3000, silent), 0);
  });
});
