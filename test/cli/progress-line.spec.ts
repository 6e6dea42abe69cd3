import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bar, percentOf, progressLine } from '../../src/cli/progress-line.ts';
import type { ProgressEvent } from '../../src/daemon/job.ts';

const half: ProgressEvent = {
  event: 'progress',
  bytes: 64_000_000,
  total: 128_000_000,
  peers: 5,
  bytesPerSec: 16_000_000,
  phase: 'fetching',
  sources: [
    { peer: '12D3KooWaaaaaaaaaaaaAAAAAA', bytes: 48_000_000 },
    { peer: '12D3KooWbbbbbbbbbbbbBBBBBB', bytes: 16_000_000 },
  ],
};

describe('the progress line', () => {
  it('shows percent, bar, speed, amount, time left, peers and top sources in a wide window', () => {
    assert.equal(
      progressLine(half, 140),
      ' 50 % ███████████████···············  16.0 MB/s  64.0 MB of 128 MB  4.0 s left  5 peers  …AAAAAA 75 %, …BBBBBB 25 %',
    );
  });

  it('shows the share of each top source in 80 columns, with a shorter bar and without the amount', () => {
    assert.equal(
      progressLine(half, 79),
      ' 50 % ██████▌······  16.0 MB/s  4.0 s left  5 peers  …AAAAAA 75 %, …BBBBBB 25 %',
    );
    const many = ['c', 'd', 'e', 'f'].map((letter) => ({
      peer: `12D3KooW${letter.repeat(6)}`,
      bytes: 1_000_000,
    }));
    const slow = { ...half, bytesPerSec: 16_000, peers: 12, sources: [...half.sources, ...many] };
    assert.equal(
      progressLine(slow, 79),
      ' 50 % ███···  16.0 kB/s  1:06:40 left  12 peers  …AAAAAA 70 %, …BBBBBB 23 %, +4',
    );
  });

  it('keeps percent, speed, time left and peers in 40 columns, and drops from the right below', () => {
    assert.equal(progressLine(half, 50), ' 50 % ██████······  16.0 MB/s  4.0 s left  5 peers');
    assert.equal(progressLine(half, 39), ' 50 %  16.0 MB/s  4.0 s left  5 peers');
    assert.equal(progressLine(half, 30), ' 50 %  16.0 MB/s  4.0 s left');
    assert.equal(progressLine(half, 6), ' 50 %');
  });

  it('is never wider than the window, whatever the numbers', () => {
    const events = fc.record({
      event: fc.constant('progress' as const),
      bytes: fc.nat(2 ** 40),
      total: fc.nat(2 ** 40),
      peers: fc.nat(10_000),
      bytesPerSec: fc.nat(2 ** 34),
      phase: fc.constantFrom('checking' as const, 'searching' as const, 'fetching' as const, 'done' as const),
      sources: fc.array(fc.record({ peer: fc.string(), bytes: fc.nat(2 ** 40) }), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(events, fc.nat(200), (event, width) => {
        assert.ok(progressLine(event, width).length <= width, progressLine(event, width));
      }),
    );
  });

  it('says that it is searching or checking before bytes arrive', () => {
    assert.equal(
      progressLine({ ...half, phase: 'searching', peers: 1 }, 80),
      'Looking for peers that have it  (1 peer)',
    );
    assert.equal(progressLine({ ...half, phase: 'checking' }, 80), 'Checking what is here  50 %');
  });

  it('says 100 % only when all is there', () => {
    assert.equal(percentOf(999_999, 1_000_000), 99);
    assert.equal(percentOf(1_000_000, 1_000_000), 100);
    assert.equal(percentOf(0, 0), 100);
  });

  it('draws a bar of exactly the width', () => {
    assert.equal(bar(0, 100, 10), '··········');
    assert.equal(bar(55, 100, 10), '█████▌····');
    assert.equal(bar(100, 100, 10), '██████████');
  });
});
