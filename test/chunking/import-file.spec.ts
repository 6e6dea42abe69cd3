import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { importFile } from '../../src/chunking/import-file.ts';
import type { ImportFileOptions } from '../../src/chunking/import-file.ts';
import { reference } from './reference-importer.ts';
import { cut, noise, pieces } from './sources.ts';

const KIB = 1024;

async function importBytes(bytes: Uint8Array, options: Partial<ImportFileOptions> = {}) {
  const nodes = new Map<string, Uint8Array>();
  const imported = await importFile(pieces(bytes), {
    size: bytes.byteLength,
    onNode: (cid, block) => void nodes.set(cid.toString(), block),
    ...options,
  });
  return { ...imported, cid: imported.cid.toString(), nodes };
}

describe('importFile', () => {
  const chunkSize = KIB;
  for (const linksPerNode of [4, 1024]) {
    const row = linksPerNode * chunkSize;
    const sizes = [0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize];
    sizes.push(row - chunkSize, row - 1, row, row + 1, row + chunkSize, 2 * row, 2 * row + 1);
    if (linksPerNode === 4) {
      for (const levels of [2, 3, 4]) {
        const full = chunkSize * linksPerNode ** levels;
        sizes.push(full - chunkSize, full - 1, full, full + 1, full + row, full + row + 1);
      }
    }
    for (const size of sizes) {
      it(`makes the nodes of ipfs-unixfs-importer for ${size} bytes in chunks of ${chunkSize}, ${linksPerNode} links a node`, async () => {
        const bytes = noise(size);
        const imported = await importBytes(bytes, { chunkSize, linksPerNode });
        const expected = await reference(bytes, { chunkSize, linksPerNode });
        assert.equal(imported.cid, expected.cid);
        assert.equal(imported.tsize, expected.size);
        assert.equal(imported.size, size);
        assert.equal(imported.leaves, Math.max(1, Math.ceil(size / chunkSize)));
        assert.equal(imported.nodes.size, expected.nodes.size);
        for (const [cid, block] of expected.nodes)
          assert.deepEqual(imported.nodes.get(cid), new Uint8Array(block));
      });
    }
  }

  for (const size of [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1024 * KIB, 5000 * KIB]) {
    it(`gives ${size} bytes the CID of ipfs-unixfs-importer at the default chunk size`, async () => {
      const bytes = noise(size);
      const { cid, chunkSize } = await importBytes(bytes);
      assert.equal(chunkSize, 64 * KIB);
      assert.equal(cid, (await reference(bytes, { chunkSize })).cid);
    });
  }

  it('shares the nodes of equal content', async () => {
    const bytes = new Uint8Array(64 * KIB);
    const { cid, nodes, leaves } = await importBytes(bytes, { chunkSize, linksPerNode: 4 });
    assert.equal(cid, (await reference(bytes, { chunkSize, linksPerNode: 4 })).cid);
    assert.equal(leaves, 64);
    assert.equal(nodes.size, 3);
  });

  it('depends on the bytes only, not on how they are cut into pieces', async () => {
    const bytes = noise(300 * KIB + 17);
    const expected = await importBytes(bytes, { chunkSize: 4 * KIB });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 5 }),
        async (sizes) => {
          const digests: string[] = [];
          const imported = await importFile(cut(bytes, sizes), {
            size: bytes.byteLength,
            chunkSize: 4 * KIB,
            onNode: () => {},
            onLeaf: (index, digest, size) => {
              assert.equal(index, digests.length);
              assert.equal(size, Math.min(4 * KIB, bytes.byteLength - index * 4 * KIB));
              digests.push(Buffer.from(digest).toString('hex'));
            },
          });
          assert.equal(imported.cid.toString(), expected.cid);
          const third = createHash('sha256')
            .update(bytes.subarray(8 * KIB, 12 * KIB))
            .digest('hex');
          assert.equal(digests[2], third);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('lets a source reuse its buffer', async () => {
    const bytes = noise(10_000);
    async function* reusing() {
      const buffer = new Uint8Array(700);
      for (let pos = 0; pos < bytes.byteLength; pos += 700) {
        const part = bytes.subarray(pos, pos + 700);
        buffer.set(part);
        yield buffer.subarray(0, part.byteLength);
      }
    }
    const { cid } = await importFile(reusing(), { size: 10_000, chunkSize: KIB, onNode: () => {} });
    assert.equal(cid.toString(), (await importBytes(bytes, { chunkSize: KIB })).cid);
  });

  it('reports every byte, at most a MiB at a time', async () => {
    const steps: number[] = [];
    await importBytes(noise(2.5 * 1024 * KIB), { onBytes: (bytes) => steps.push(bytes) });
    assert.deepEqual(steps, [1024 * KIB, 1024 * KIB, 512 * KIB]);
  });

  for (const [what, size] of [
    ['longer', 999],
    ['shorter', 1001],
  ] as const) {
    it(`says that the file changed when the content is ${what} than its size`, async () => {
      await assert.rejects(
        importFile(pieces(noise(1000)), { size, name: 'a.bin', onNode: () => {} }),
        (error: any) => {
          assert.equal(error.code, 'ERR_FILE_CHANGED');
          assert.match(error.message, /a\.bin/);
          return true;
        },
      );
    });
  }

  it('refuses a chunk size that is no power of two', async () => {
    await assert.rejects(importBytes(noise(10), { chunkSize: 3000 }), { code: 'ERR_CHUNK_SIZE' });
  });

  it('stops with the reason it is aborted with, and closes the source', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let closed = false;
    async function* endless() {
      try {
        for (let i = 0; ; i++) {
          if (i === 3) controller.abort(reason);
          yield new Uint8Array(KIB);
        }
      } finally {
        closed = true;
      }
    }
    await assert.rejects(
      importFile(endless(), { size: 2 ** 40, onNode: () => {}, signal: controller.signal }),
      (error) => error === reason,
    );
    assert.ok(closed);
  });

  it('passes on what onNode throws, and waits for it', async () => {
    const full = new Error('full');
    await assert.rejects(
      importBytes(noise(3 * KIB), { chunkSize: KIB, onNode: () => Promise.reject(full) }),
      (error) => error === full,
    );
  });
});
