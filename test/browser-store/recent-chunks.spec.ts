import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { RecentChunks } from '../../src/browser-store/recent-chunks.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';

async function chunkOf(fill: number, size = 100): Promise<VerifiedChunk> {
  const bytes = new Uint8Array(size).fill(fill);
  const digest = new Uint8Array(createHash('sha256').update(bytes).digest());
  return VerifiedChunk.expect(digest, bytes, 'the chunk');
}

describe('the chunks that came last', () => {
  it('are read as they were kept, whatever becomes of what was given and of what is read', async () => {
    const recent = new RecentChunks(1000);
    const chunk = await chunkOf(7);
    recent.keep('a', chunk);
    chunk.bytes.fill(0);
    const first = recent.read('a');
    assert.ok(first);
    assert.deepEqual(first.digest, chunk.digest);
    assert.ok(first.bytes.every((byte) => byte === 7));
    first.bytes.fill(1);
    assert.ok(recent.read('a')?.bytes.every((byte) => byte === 7));
  });

  it('give way to newer ones, the oldest first', async () => {
    const recent = new RecentChunks(250);
    for (const [name, fill] of Object.entries({ a: 1, b: 2, c: 3 })) recent.keep(name, await chunkOf(fill));
    assert.equal(recent.read('a'), undefined);
    assert.equal(recent.read('b')?.bytes[0], 2);
    recent.keep('d', await chunkOf(4, 250));
    assert.equal(recent.read('c'), undefined);
    assert.equal(recent.read('d')?.bytes[249], 4);
  });

  it('leave out what is larger than all that is kept', async () => {
    const recent = new RecentChunks(99);
    recent.keep('a', await chunkOf(1));
    assert.equal(recent.read('a'), undefined);
    recent.keep('b', await chunkOf(2, 99));
    assert.equal(recent.read('b')?.bytes.byteLength, 99);
  });
});
