import assert from 'node:assert/strict';
import { GCProfiler } from 'node:v8';
import { noteShortLived } from '../../src/store/short-lived-memory.ts';

const MIB = 1 << 20;

/** The kinds of collections that `task` caused. */
function collectionsIn(task: () => void): string[] {
  const profiler = new GCProfiler();
  profiler.start();
  task();
  return (profiler.stop()?.statistics ?? []).map(({ gcType }) => gcType);
}

describe('short-lived memory', () => {
  // The collector is made at the first need; what the process has loaded until then is collected on its own account.
  before(() => {
    for (let i = 0; i < 256; i++) noteShortLived(Buffer.allocUnsafeSlow(MIB).byteLength);
  });

  it('is collected from the young generation before V8 marks its whole heap for it', () => {
    const kinds = collectionsIn(() => {
      for (let i = 0; i < 512; i++) noteShortLived(Buffer.allocUnsafeSlow(MIB).byteLength);
    });
    assert.ok(kinds.filter((kind) => kind === 'Scavenge').length >= 512 / 16);
    assert.ok(!kinds.includes('MarkSweepCompact'), kinds.join());
  });

  it('does not expose the collector to the program', () => {
    noteShortLived(64 * MIB);
    assert.equal('gc' in globalThis, false);
  });
});
