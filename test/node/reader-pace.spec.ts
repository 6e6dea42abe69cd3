import assert from 'node:assert/strict';
import { mergeUrgency, ReaderPace, type Leaf } from '../../src/node/reader-pace.ts';

const MIB = 1024 * 1024;

function leaves(count: number, size: number): Leaf[] {
  return Array.from({ length: count }, (_, chunk) => ({ chunk, start: chunk * size, size }));
}

describe('ReaderPace', () => {
  it('gives each leaf the time at which a reader of that speed comes to it', () => {
    const pace = new ReaderPace();
    for (let i = 0; i < 40; i++) pace.took(MIB, 500);
    assert.equal(Math.round(pace.bytesPerSec / MIB), 2);
    const { chunks, dueInMs } = pace.urgent(leaves(100, MIB), 10, (chunk) => chunk === 11);
    assert.deepEqual(chunks.slice(0, 3), [10, 12, 13]);
    assert.deepEqual(dueInMs.slice(0, 3), [0, 1000, 1500]);
  });

  it('looks some seconds ahead of a slow reader, and no further than a few mebibytes ahead of a fast one', () => {
    const slow = new ReaderPace();
    for (let i = 0; i < 40; i++) slow.took(65_536, 1000);
    assert.equal(slow.urgent(leaves(1000, 65_536), 0, () => false).chunks.length, 11);
    const fast = new ReaderPace();
    for (let i = 0; i < 40; i++) fast.took(65_536, 0);
    const { chunks, dueInMs } = fast.urgent(leaves(1000, 65_536), 0, () => false);
    assert.equal(chunks.length, 128);
    assert.ok(dueInMs.every((ms) => ms < 10));
  });

  it('is not misled by a reader that pauses for an hour', () => {
    const pace = new ReaderPace();
    for (let i = 0; i < 40; i++) pace.took(MIB, 100);
    pace.took(MIB, 3_600_000);
    for (let i = 0; i < 40; i++) pace.took(MIB, 100);
    assert.ok(pace.bytesPerSec > 4 * MIB, `${pace.bytesPerSec}`);
  });

  it('gives readers that wait for the same moment their turns', () => {
    const now = (...chunks: number[]) => ({ chunks, dueInMs: chunks.map(() => 0) });
    assert.deepEqual(mergeUrgency([now(1, 2, 3), now(7, 2, 9)]).chunks, [1, 7, 2, 3, 9]);
    const later = { chunks: [5], dueInMs: [10] };
    assert.deepEqual(mergeUrgency([later, now(1, 2)]), { chunks: [1, 2, 5], dueInMs: [0, 0, 10] });
  });
});
