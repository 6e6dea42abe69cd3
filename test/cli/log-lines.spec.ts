import assert from 'node:assert/strict';
import { LogLines } from '../../src/cli/log-lines.ts';

function setUp(isHoldingErrors: boolean): { lines: LogLines; shown: string[] } {
  const shown: string[] = [];
  return {
    lines: new LogLines((level, message) => shown.push(`${level} ${message}`), isHoldingErrors),
    shown,
  };
}

describe('what a node logs', () => {
  it('is shown, in its order', async () => {
    const { lines, shown } = setUp(false);
    lines.add('error', 'one');
    lines.add('warn', 'two');
    await Promise.resolve();
    assert.deepEqual(shown, ['error one', 'warn two']);
  });

  it('is not shown where an event tells it too', async () => {
    const { lines, shown } = setUp(false);
    lines.add('warn', 'cut off 12D3: sent a wrong chunk (ERR_CHUNK_HASH_MISMATCH)');
    lines.add('warn', 'cannot reach /ip4/192.0.2.1/tcp/1');
    lines.covered('12D3: sent a wrong chunk');
    await Promise.resolve();
    assert.deepEqual(shown, ['warn cannot reach /ip4/192.0.2.1/tcp/1']);
  });

  it('is not shown where the command fails with it, and is where it does not', async () => {
    for (const [failure, expected] of [
      ['the disk is full', []],
      ['interrupted', ['error the disk is full']],
    ] as const) {
      const { lines, shown } = setUp(true);
      lines.add('error', 'the disk is full');
      await Promise.resolve();
      assert.deepEqual(shown, []);
      lines.covered(failure);
      lines.release();
      assert.deepEqual(shown, expected);
    }
  });
});
