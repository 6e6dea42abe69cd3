import assert from 'node:assert/strict';
import { getHeapSpaceStatistics, GCProfiler } from 'node:v8';
import { collectAll, noteShortLived } from '../../src/store/short-lived-memory.ts';

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
    const count = (wanted: string): number => kinds.filter((kind) => kind === wanted).length;
    // Without it V8 marks its heap for each 16 to 32 MiB. What it does for other reasons, as it does at times, is not counted.
    assert.ok(count('Scavenge') >= 512 / 32, kinds.join());
    assert.ok(count('MarkSweepCompact') <= 2, kinds.join());
  });

  it('does not expose the collector to the program', () => {
    noteShortLived(64 * MIB);
    assert.equal('gc' in globalThis, false);
  });

  it('makes the young generation small again when all is collected', () => {
    let kept: object[] = [];
    for (let i = 0; i < 2e6; i++) kept[i % 200_000] = { i, list: [i] };
    kept = [];
    const grown = youngBytes();
    collectAll();
    assert.ok(youngBytes() < grown / 2, `${grown}, then ${youngBytes()} bytes`);
    assert.deepEqual(kept, []);
  });
});

function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.physical_space_size ?? 0;
}
