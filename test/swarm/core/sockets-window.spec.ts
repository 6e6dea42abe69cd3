import assert from 'node:assert/strict';
import { SocketsWindow } from '../../../src/swarm/core/sockets-window.ts';

const KIB = 1024;

/** An uplink of so many bytes a second, of which the window is always used up: what that makes of it in so many seconds. */
function settle(
  window: SocketsWindow,
  bytesPerSec: number,
  leastMs: number,
  fromSec: number,
  toSec: number,
): number {
  for (let nowMs = fromSec * 1000; nowMs < toSec * 1000; nowMs += 20) {
    const tookMs = Math.max(leastMs, (window.bytes * 1000) / bytesPerSec);
    window.heldBack();
    window.took(nowMs, { tookMs, leastMs });
  }
  return window.bytes;
}

describe('the window of all sockets', () => {
  it('settles where chunks wait for 150 ms, whatever the uplink delivers', () => {
    for (const mbit of [5, 20, 100]) {
      const bytesPerSec = (mbit * 1e6) / 8;
      const bytes = settle(new SocketsWindow(), bytesPerSec, 100, 0, 20);
      const wanted = bytesPerSec * 0.25;
      assert.ok(Math.abs(bytes / wanted - 1) < 0.05, `${mbit} Mbit/s: ${bytes} in place of ${wanted}`);
    }
  });

  it('follows an uplink that becomes slower, and faster again', () => {
    const window = new SocketsWindow();
    const fast = settle(window, 2_500_000, 50, 0, 10);
    const slow = settle(window, 500_000, 50, 10, 20);
    assert.ok(slow < fast / 4, `${slow} of ${fast}`);
    assert.ok(settle(window, 2_500_000, 50, 20, 30) > 4 * slow);
  });

  it('does not grow where it holds nothing back', () => {
    const window = new SocketsWindow();
    const before = window.bytes;
    for (let nowMs = 0; nowMs < 5000; nowMs += 20) window.took(nowMs, { tookMs: 50, leastMs: 50 });
    assert.equal(window.bytes, before);
  });

  it('leaves room for three records, however long they take', () => {
    const window = new SocketsWindow();
    assert.equal(settle(window, 10_000, 50, 0, 120), 48 * KIB);
  });

  it('lets one peer of ten that claims to wait for minutes take no more than half', () => {
    const play = (liarMs: number): number => {
      const window = new SocketsWindow();
      for (let nowMs = 0, part = 0; nowMs < 30_000; nowMs += 10, part++) {
        const tookMs = part % 10 === 0 ? liarMs : Math.max(100, (window.bytes * 1000) / 2_500_000);
        window.heldBack();
        window.took(nowMs, { tookMs, leastMs: 100 });
      }
      return window.bytes;
    };
    assert.ok(play(600_000) > play(100) / 2, `${play(600_000)} of ${play(100)}`);
  });
});
