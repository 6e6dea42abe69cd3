import assert from 'node:assert/strict';
import { isLent, lendToSocket, takenBySocket, takeReadMemory } from '../../src/store/sent-memory.ts';

/** Sizes that no other test takes, so that what is kept is this one's. */
let next = 1 << 17;
const size = (): number => (next += 64);

describe('memory of chunks that are sent', () => {
  it('is used again when sockets have taken all of it, in whatever pieces', () => {
    const bytes = size();
    const fresh: number[] = [];
    const first = takeReadMemory(bytes, (each) => fresh.push(each));
    lendToSocket(first);
    assert.ok(isLent(first.subarray(3, 7)));
    takenBySocket(first.subarray(0, 1000));
    takenBySocket(first.subarray(1000, bytes - 1));
    assert.notEqual(takeReadMemory(bytes, (each) => fresh.push(each)).buffer, first.buffer);
    takenBySocket(first.subarray(bytes - 1));
    assert.equal(takeReadMemory(bytes, (each) => fresh.push(each)).buffer, first.buffer);
    assert.ok(!isLent(first));
    assert.deepEqual(fresh, [bytes, bytes]);
  });

  it('is not used again where it was not lent: somebody else reads it', () => {
    const bytes = size();
    const first = takeReadMemory(bytes, () => {});
    takenBySocket(first);
    assert.notEqual(takeReadMemory(bytes, () => {}).buffer, first.buffer);
  });

  it('is not used again where it came from elsewhere, or is a part of more', () => {
    const bytes = size();
    const foreign = new Uint8Array(bytes);
    lendToSocket(foreign);
    assert.ok(!isLent(foreign));
    const part = takeReadMemory(bytes, () => {}).subarray(1);
    lendToSocket(part);
    assert.ok(!isLent(part));
  });
});
