import assert from 'node:assert/strict';
import { sha256 } from '../../src/integrity/sha256.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';
import { createSecretKey } from 'node:crypto';
import { MIN_SEALED_BYTES, SealMaker, sealOf } from '../../src/store/seal-of.ts';
import { Seals } from '../../src/store/seals.ts';

function chunk(seed: number, size = MIN_SEALED_BYTES): Uint8Array {
  return new Uint8Array(size).fill(seed);
}

describe('seals of chunks', () => {
  it('know bytes again that were verified, and no others', async () => {
    const seals = new Seals();
    const bytes = chunk(1);
    const digest = sha256(bytes);
    for (let time = 0; time < 3; time++) assert.ok(await seals.verify(digest, bytes.slice()));
    for (const at of [0, 1000, bytes.byteLength - 1]) {
      const changed = bytes.slice();
      changed[at] = 2;
      assert.equal(await seals.verify(digest, changed), undefined, `byte ${at}`);
    }
    assert.equal(await seals.verify(digest, bytes.subarray(1)), undefined);
    assert.ok(await seals.verify(digest, bytes), 'what failed changes nothing');
  });

  it('are the same of bytes that come in pieces', () => {
    const key = createSecretKey(Buffer.alloc(16, 7));
    const bytes = Uint8Array.from({ length: 300_001 }, (_, i) => i % 251);
    const maker = new SealMaker(key);
    for (const [from, to] of [
      [0, 1],
      [1, 131_073],
      [131_073, 300_001],
    ])
      maker.update(bytes.subarray(from, to));
    assert.equal(maker.end(), sealOf(key, bytes));
  });

  it('accept no wrong bytes for which somebody else made a seal', async () => {
    const seals = new Seals();
    const other = new Seals();
    const [right, wrong] = [chunk(1), chunk(2)];
    const digest = sha256(right);
    other.note(digest, sealOf(other.key, wrong));
    assert.ok(await other.verify(digest, wrong), 'who has the key can');
    seals.note(digest, sealOf(other.key, wrong));
    assert.equal(await seals.verify(digest, wrong), undefined);
    assert.ok(await seals.verify(digest, right));
  });

  it('take the hash where two chunks fall together', async () => {
    const seals = new Seals();
    const [a, b] = [chunk(3), chunk(4)];
    const digest = sha256(a);
    // As if the digest of `b` began with the same bits.
    seals.note(digest, sealOf(seals.key, b));
    const found = await seals.verify(digest, a);
    assert.deepEqual(found?.bytes, a);
  });

  it('are not made of chunks that are hashed as soon', async () => {
    const seals = new Seals();
    const small = chunk(5, 1000);
    const digest = sha256(small);
    seals.keep((await VerifiedChunk.verify(digest, small))!);
    assert.ok(await seals.verify(digest, small));
    assert.equal(await seals.verify(digest, chunk(6, 1000)), undefined);
  });
});
