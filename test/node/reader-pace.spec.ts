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
    const nothingIsHere = (): boolean => false;
    assert.deepEqual(mergeUrgency([now(1, 2, 3), now(7, 2, 9)], nothingIsHere).chunks, [1, 7, 2, 3, 9]);
    const later = { chunks: [5], dueInMs: [10] };
    const merged = mergeUrgency([later, now(1, 2)], nothingIsHere);
    assert.deepEqual(merged, { chunks: [1, 2, 5], dueInMs: [0, 0, 10] });
    assert.deepEqual(mergeUrgency([later, now(1, 2)], (chunk) => chunk === 1).chunks, [2, 5]);
  });

  it('looks at what many readers need no further than the exchange does', () => {
    let looks = 0;
    const isHere = (): boolean => {
      looks++;
      return false;
    };
    const many = Array.from({ length: 1000 }, (_, reader) => {
      const chunks = Array.from({ length: 512 }, (_each, at) => 40 * (reader % 100) + at);
      return { chunks, dueInMs: chunks.map((_each, at) => at + Math.floor(reader / 100)) };
    });
    const { chunks, dueInMs } = mergeUrgency(many, isHere);
    assert.equal(chunks.length, 512);
    assert.deepEqual(
      chunks.slice(0, 100),
      Array.from({ length: 100 }, (_, reader) => 40 * reader),
    );
    assert.deepEqual([dueInMs[0], dueInMs[99], dueInMs[100], dueInMs.at(-1)], [0, 0, 1, 5]);
    assert.ok(looks < 2000, `${looks} looks`);
  });
});
