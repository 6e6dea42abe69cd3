import assert from 'node:assert/strict';
import { DownloadTally } from '../../src/cli/download-tally.ts';
import type { JobEvent } from '../../src/daemon/job.ts';

type Given = Record<string, number>;

const shares = (given: Given): { peer: string; bytes: number }[] =>
  Object.entries(given).map(([peer, bytes]) => ({ peer, bytes }));

const progress = (given: Given): JobEvent => ({
  event: 'progress',
  bytes: 50,
  total: 100,
  peers: 2,
  bytesPerSec: 10,
  phase: 'fetching',
  sources: shares(given),
});

const done = (given: Given): JobEvent => ({
  event: 'done',
  cid: 'bafy',
  bytes: 100,
  path: '/x',
  durationMs: 7,
  sources: shares(given),
});

describe('a download and its owners', () => {
  it('is told as its only owner tells it', () => {
    const tally = new DownloadTally(() => 5000);
    for (const event of [progress({ a: 20 }), done({ a: 100 })]) assert.equal(tally.add(event), event);
  });

  it('is told from its first start on and with the sources of all owners', () => {
    let ms = 1000;
    const tally = new DownloadTally(() => ms);
    tally.add(progress({ a: 10 }));
    ms = 2000;
    tally.add(progress({ a: 20, b: 10 }));
    tally.ownerChanged();
    ms = 3000;
    assert.deepEqual(tally.add(progress({ b: 20 })), progress({ b: 30, a: 20 }));
    tally.ownerChanged();
    ms = 4000;
    assert.deepEqual(tally.add(done({ c: 50 })), { ...done({ c: 50, b: 30, a: 20 }), durationMs: 3000 });
  });

  it('counts nothing from owners that went before they began', () => {
    const tally = new DownloadTally(() => 5000);
    tally.ownerChanged();
    tally.add(progress({ a: 20 }));
    assert.deepEqual(tally.add(done({ a: 100 })), done({ a: 100 }));
  });
});
