import assert from 'node:assert/strict';
import { encode } from '@ipld/dag-pb';
import fc from 'fast-check';
import { CID } from 'multiformats/cid';
import { encodeDirectory, encodeFileNode } from '../../../src/chunking/encode-node.ts';
import { encodeUnixFs } from '../../../src/integrity/encode-unixfs.ts';
import { MAX_NODE_BYTES } from '../../../src/integrity/limits.ts';
import { cidOf, DAG_PB_CODE, RAW_CODE } from '../../../src/integrity/parse-cid.ts';
import { ProtoWriter } from '../../../src/integrity/proto-writer.ts';
import { sha256 } from '../../../src/integrity/sha256.ts';
import { packNode, unpackNode } from '../../../src/swarm/packed-node.ts';
import { dagOf } from '../../integrity/memory-dag.ts';
import { bytesOf } from './memory-asset.ts';

function linksOf(sizes: readonly number[], codec: typeof RAW_CODE | typeof DAG_PB_CODE = RAW_CODE) {
  return sizes.map((tsize, i) => ({ cid: cidOf(codec, bytesOf(32, i + 1).slice()), tsize }));
}

describe('nodes on their way', () => {
  it('come out as they went in, in three fifths of the bytes or little more', async () => {
    const sizes = fc.record({
      count: fc.integer({ min: 25, max: 1500 }),
      size: fc.integer({ min: 1, max: 1 << 20 }),
      last: fc.integer({ min: 1, max: 1 << 20 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ count, size, last }) => {
        const all = Array.from({ length: count }, (_, i) => (i === count - 1 ? last : size));
        const { cid, bytes } = await encodeFileNode(linksOf(all), all);
        const packed = packNode(cid, bytes) as Uint8Array;
        assert.deepEqual(unpackNode(packed), bytes);
        assert.ok(packed.byteLength < bytes.byteLength * 0.7);
      }),
      { numRuns: 40 },
    );
  });

  it('of whole files do: all of them but those above the lowest', async () => {
    const { nodes } = await dagOf(bytesOf(2500 * 1024), 1024);
    let packed = 0;
    for (const [text, bytes] of nodes) {
      const small = packNode(CID.parse(text), bytes);
      if (!small) continue;
      packed++;
      assert.deepEqual(new Uint8Array(sha256(unpackNode(small))), CID.parse(text).multihash.digest);
    }
    assert.deepEqual([nodes.size, packed], [4, 3]);
  });

  it('go as they are where something else stands in them', async () => {
    const equal = Array.from({ length: 100 }, () => 1000);
    const { cid, bytes } = await encodeFileNode(linksOf(equal), equal);
    assert.ok(packNode(cid, bytes), 'as Shoal writes it');
    const unequal = equal.with(50, 999);
    const inner = linksOf(equal, DAG_PB_CODE);
    const names = linksOf(equal).map((link, i) => ({ ...link, name: `file ${i}` }));
    const others = [
      await encodeFileNode(linksOf(unequal), unequal),
      await encodeFileNode(inner, equal),
      await encodeDirectory(names.sort((a, b) => (a.name < b.name ? -1 : 1))),
      await encodeFileNode(linksOf([7, 7]), [7, 7]),
    ];
    const garbage = { cid, bytes: bytesOf(2000) };
    for (const other of [...others, garbage]) assert.equal(packNode(other.cid, other.bytes), undefined);
    // Without its size, as some programs write it: another CID.
    const foreign = encode({
      Data: encodeUnixFs({ type: 'file', blockSizes: equal }),
      Links: linksOf(equal).map((link) => ({ Hash: link.cid, Name: '', Tsize: link.tsize })),
    });
    assert.equal(packNode(cid, foreign), undefined);
  });

  it('go as they are where they have more leaves than a receiver takes', async () => {
    const sizes = Array.from({ length: 32_769 }, () => 5);
    const { cid, bytes } = await encodeFileNode(linksOf(sizes), sizes);
    assert.ok(bytes.byteLength < MAX_NODE_BYTES);
    assert.ok(packNode(cid, bytes) === undefined);
    const fewer = await encodeFileNode(linksOf(sizes.slice(1)), sizes.slice(1));
    assert.deepEqual(unpackNode(packNode(fewer.cid, fewer.bytes) as Uint8Array), fewer.bytes);
  });

  it('are refused before they take memory, where they cannot be any', () => {
    const packed = (bytes: number, size = 5, last = 5): Uint8Array =>
      new ProtoWriter().bytes(1, new Uint8Array(bytes)).uint(2, size).uint(3, last).finish();
    for (const bad of [
      packed(0),
      packed(33),
      packed(MAX_NODE_BYTES),
      packed(64, Number.MAX_SAFE_INTEGER),
      new Uint8Array(0),
      packed(64).subarray(0, 40),
    ]) {
      assert.throws(() => unpackNode(bad), RangeError);
    }
  });
});
