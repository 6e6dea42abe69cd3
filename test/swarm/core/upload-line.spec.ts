import assert from 'node:assert/strict';
import { AssetSwarm } from '../../../src/swarm/core/asset-swarm.ts';
import { Bitfield } from '../../../src/swarm/core/bitfield.ts';
import { Peer } from '../../../src/swarm/core/peer.ts';
import { seededRng } from '../../../src/swarm/core/rng.ts';
import { UploadLine } from '../../../src/swarm/core/upload-line.ts';

const SIZE = 1000;

describe('the chunks that wait for the uplink', () => {
  const peer = new Peer('a', 0, 1);
  const swarm = new AssetSwarm(1, new Uint32Array(20).fill(SIZE), Bitfield.full(20), true, seededRng(1));
  let line: UploadLine;
  beforeEach(() => (line = new UploadLine()));

  function add(nowMs: number, ...chunks: number[]): void {
    for (const chunk of chunks) line.add(nowMs, { peer, swarm, chunk, bytes: SIZE });
  }

  /** What goes at that time; chunks below 10 are first copies. */
  function next(nowMs: number): number | undefined {
    return line.next(nowMs, 0, ({ chunk }) => (chunk < 10 ? 0 : 1))?.chunk;
  }

  it('go by turn, and then in their order', () => {
    add(0, 10, 11, 1, 2);
    assert.deepEqual([next(0), next(0), next(0), next(0), next(0)], [1, 2, 10, 11, undefined]);
  });

  it('go in their turn when they have waited for three seconds, whatever is to go first', () => {
    add(0, 10);
    add(1500, 1);
    add(2999, 11, 2);
    assert.equal(next(2999), 1);
    assert.equal(next(3000), 10);
    assert.equal(next(3000), 2);
    assert.equal(next(3000), 11);
  });
});
