import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

const CHUNKS = 200;
const NONE = '.'.repeat(CHUNKS);

/** A seed whose uplink takes half a second for a chunk, and knows it. */
class Seed {
  readonly rig: Rig;
  #next = 0;
  #sent = 0;

  constructor(seed: number) {
    this.rig = new Rig({ uploadBytesPerSec: 2 * Q, firstGrantBytes: 4 * Q }, seed).add('x'.repeat(CHUNKS));
    this.rig.join('warm', NONE);
    for (let i = 0; i < 60; i++) {
      this.ask('warm');
      this.rig.pass(500);
      this.#sent += this.uploads('warm');
      this.rig.says('warm', { type: 'ack', bytes: Math.min(i, this.#sent) * Q });
    }
  }

  /** The peer uses credit that it has, at most so much. @returns the chunks it asks for */
  ask(peer: string, most = Infinity): number[] {
    return this.rig
      .sent('grant', peer)
      .slice(0, most)
      .map(({ id }) => {
        const chunk = this.#next++ % CHUNKS;
        this.rig.says(peer, { type: 'request', grant: id, asset: 1, runs: [{ from: chunk, count: 1 }] });
        return chunk;
      });
  }

  uploads(peer: string): number {
    return this.rig.take().filter((action) => action.type === 'upload' && action.peer === peer).length;
  }
}

describe('Exchange: chunks that are taken back while they wait for the uplink', () => {
  it('count as never asked for: whoever goes elsewhere in a film has not been given what it passed over', () => {
    let first = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const busy = new Seed(seed);
      const { rig } = busy;
      rig.handle({ type: 'gone', peer: 'warm' }).take();
      rig.join('viewer', NONE);
      for (let round = 0; round < 3; round++) {
        const asked = busy.ask('viewer');
        const gone = rig.take().flatMap((action) => (action.type === 'upload' ? [action.chunk] : []));
        for (const chunk of asked) {
          if (!gone.includes(chunk)) rig.says('viewer', { type: 'cancel', asset: 1, chunk });
        }
      }
      assert.ok(rig.sent('reject', 'viewer').length >= 3);
      // Who has more comes after it, unless it counts as one that took much and gave nothing.
      rig.join('other', 'x'.repeat(CHUNKS / 2) + '.'.repeat(CHUNKS / 2));
      busy.ask('viewer', 1);
      rig.take();
      rig.pass(600).says('viewer', { type: 'ack', bytes: Q });
      first += rig.sent('grant', 'viewer').length > 0 ? 1 : 0;
    }
    assert.equal(first, 20);
  });

  it('count against no limit', () => {
    const busy = new Seed(1);
    const { rig } = busy;
    const { id } = rig.sent('grant', 'warm')[0]!;
    rig.handle({ type: 'limits', uploadBytesPerSec: 2 * Q, perPeer: { uploadBytesPerSec: Q / 100 } });
    rig.says('warm', { type: 'decline', grant: id, bytes: Q, reason: 'nothing-wanted' });
    rig.join('viewer', NONE).pass(200);
    const [chunk] = busy.ask('viewer', 1) as [number];
    assert.ok(chunk !== undefined);
    assert.equal(busy.uploads('viewer'), 0);
    rig.says('viewer', { type: 'cancel', asset: 1, chunk });
    rig.pass(200);
    assert.ok(rig.sent('grant', 'viewer').length > 0);
  });
});
