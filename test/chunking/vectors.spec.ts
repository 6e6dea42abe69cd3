import assert from 'node:assert/strict';
import { importFile } from '../../src/chunking/import-file.ts';
import { importTree } from '../../src/chunking/import-tree.ts';
import vectors from '../vectors/ipip-0499.json' with { type: 'json' };
import { keystream, noise, pieces, sourceOf } from './sources.ts';
import type { Tree } from './sources.ts';

const { chunkSize } = vectors;

describe('The published vectors of IPIP-0499, profile unixfs-v1-2025', () => {
  for (const { title, text, cid } of vectors.wellKnown) {
    it(`hold for ${title}`, async () => {
      const bytes = new TextEncoder().encode(text);
      const imported = await importFile(pieces(bytes), {
        size: bytes.byteLength,
        chunkSize,
        onNode: () => {},
      });
      assert.equal(imported.cid.toString(), cid);
    });
  }

  for (const { title, seed, bytes, cid } of vectors.files) {
    it(`hold for a file ${title}`, async () => {
      const imported = await importFile(keystream(seed, bytes), { size: bytes, chunkSize, onNode: () => {} });
      assert.equal(imported.cid.toString(), cid);
    });
  }

  it('hold for an empty directory', async () => {
    const { cid } = await importTree(sourceOf({}), { onNode: () => {} });
    assert.equal(cid.toString(), vectors.emptyDirectory);
  });

  for (const { title, cid, ...directory } of vectors.directories) {
    it(`hold for a directory ${title}`, async () => {
      const imported = await importTree(sourceOf(directoryOf(directory)), { chunkSize, onNode: () => {} });
      assert.equal(imported.files, directory.files);
      assert.equal(imported.cid.toString(), cid);
    });
  }
});

type Recipe = Pick<(typeof vectors.directories)[number], 'seed' | 'files' | 'nameLength' | 'lastNameLength'>;

function directoryOf({ seed, files, nameLength, lastNameLength }: Recipe): Tree {
  const stream = noise(files * nameLength + lastNameLength, seed);
  const tree: Tree = {};
  for (let i = 0, pos = 0; i < files; i++) {
    const length = i === files - 1 ? lastNameLength : nameLength;
    const letters = [...stream.subarray(pos, pos + length)].map(
      (byte) => vectors.alphabet[byte % vectors.alphabet.length],
    );
    tree[letters.join('')] = new TextEncoder().encode('x');
    pos += length;
  }
  return tree;
}
