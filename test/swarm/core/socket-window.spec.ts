import assert from 'node:assert/strict';
import { SocketWindow } from '../../../src/swarm/core/socket-window.ts';

const KIB = 1024;

/** Writes what there is room for, and has it acknowledged after a round trip. @returns what was written in each */
function rounds(window: SocketWindow, count: number, rttMs: number): number[] {
  const written: number[] = [];
  let total = 0;
  for (let round = 0; round < count; round++) {
    const bytes = window.roomBytes;
    window.wrote(round * rttMs, bytes);
    window.heldBack();
    total += bytes;
    window.acked((round + 1) * rttMs, total, undefined);
    written.push(bytes / KIB);
  }
  return written;
}

describe('the window of a socket', () => {
  it('doubles each round trip while it holds something back, as TCP does', () => {
    assert.deepEqual(rounds(new SocketWindow(), 5, 100), [32, 64, 128, 256, 512]);
  });

  it('stays as it is where nothing is held back', () => {
    const window = new SocketWindow();
    window.wrote(0, 16 * KIB);
    window.acked(100, 16 * KIB, undefined);
    assert.equal(window.bytes, 32 * KIB);
  });

  it('begins anew after a rest', () => {
    const window = new SocketWindow();
    rounds(window, 4, 100);
    window.wrote(600, KIB);
    assert.equal(window.bytes, 512 * KIB);
    window.acked(700, 481 * KIB, undefined);
    window.wrote(1300, KIB);
    assert.equal(window.bytes, 32 * KIB);
  });

  it('times the part that came last, by the clock of the peer where it says so', () => {
    const window = new SocketWindow();
    window.wrote(0, 32 * KIB);
    assert.equal(window.acked(30, 10 * KIB, 1030), undefined);
    assert.deepEqual(window.acked(50, 16 * KIB, 1050), { tookMs: 50, leastMs: 50 });
    // This acknowledgement was 400 ms later than it could have been.
    assert.deepEqual(window.acked(500, 32 * KIB, 1100), { tookMs: 100, leastMs: 50 });
  });

  it('believes in no more than was written', () => {
    const window = new SocketWindow();
    window.wrote(0, 16 * KIB);
    window.acked(10, 1 << 30, undefined);
    assert.equal(window.unackedBytes, 0);
    window.wrote(20, 16 * KIB);
    assert.equal(window.unackedBytes, 16 * KIB);
    assert.equal(window.acked(30, 0, undefined), undefined);
  });

  it('remembers no more than a few parts of a large write', () => {
    const window = new SocketWindow();
    window.wrote(0, 64 << 20);
    const took: unknown[] = [];
    for (let mib = 1; mib <= 64; mib++) took.push(window.acked(mib, mib << 20, undefined));
    assert.equal(took.filter((each) => each !== undefined).length, 16);
  });
});
