import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UnixFS } from 'ipfs-unixfs';
import { encodeFileNode } from '../../src/chunking/encode-node.ts';
import { encodeUnixFs } from '../../src/integrity/encode-unixfs.ts';
import { decodeNode } from '../../src/integrity/decode-node.ts';
import { cidOf, DAG_PB_CODE, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { sha256 } from '../../src/integrity/sha256.ts';

const GIB = 2 ** 30;

/** The content bytes that a node of files of those sizes says it has. */
async function sizesRead(sizes: number[]): Promise<unknown> {
  const leaf = cidOf(RAW_CODE, sha256(Uint8Array.of(1)));
  const interior = cidOf(DAG_PB_CODE, leaf.multihash.digest);
  const links = sizes.map((size) => ({ cid: size <= 1 << 20 ? leaf : interior, tsize: size }));
  const { cid, bytes } = await encodeFileNode(links, sizes);
  const node = decodeNode(cid, bytes);
  return node.type === 'file' && { size: node.size, sizes: [...node.sizes] };
}

describe('a UnixFS node', () => {
  for (const sizes of [
    [GIB, GIB - 1],
    [GIB, GIB],
    [GIB, GIB, GIB, GIB - 1],
    [GIB, GIB, GIB, GIB],
    [3 * GIB, 3 * GIB],
  ]) {
    it(`has the sizes of a file of ${sizes.reduce((sum, size) => sum + size, 0)} bytes`, async () => {
      assert.deepEqual(await sizesRead(sizes), {
        size: sizes.reduce((sum, size) => sum + size, 0),
        sizes,
      });
    });
  }

  it('has whatever sizes there are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 2 ** 48 }), { minLength: 1, maxLength: 20 }),
        async (sizes) => {
          const size = sizes.reduce((sum, each) => sum + each, 0);
          assert.deepEqual(await sizesRead(sizes), { size, sizes });
        },
      ),
    );
  });

  it('is byte for byte what ipfs-unixfs makes, where that can', () => {
    const small = fc.integer({ min: 0, max: 2 ** 20 });
    fc.assert(
      fc.property(fc.array(small, { maxLength: 50 }), (sizes) => {
        const fileSize = sizes.reduce((sum, size) => sum + size, 0);
        const theirs = new UnixFS({ type: 'file', blockSizes: sizes.map(BigInt) }).marshal();
        assert.deepEqual(encodeUnixFs({ type: 'file', fileSize, blockSizes: sizes }), new Uint8Array(theirs));
      }),
    );
    const data = new TextEncoder().encode('../target'.repeat(20));
    assert.deepEqual(
      encodeUnixFs({ type: 'symlink', data }),
      new Uint8Array(new UnixFS({ type: 'symlink', data }).marshal()),
    );
    assert.deepEqual(
      encodeUnixFs({ type: 'directory' }),
      new Uint8Array(new UnixFS({ type: 'directory' }).marshal()),
    );
  });
});
