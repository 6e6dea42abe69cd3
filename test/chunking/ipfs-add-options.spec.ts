import assert from 'node:assert/strict';
import { importTree } from '../../src/chunking/import-tree.ts';
import { ipfsAddOptions } from '../../src/chunking/ipfs-add-options.ts';
import { noise, sourceOf } from './sources.ts';
import type { Tree } from './sources.ts';

const KIB = 1024;

async function optionsFor(tree: Tree[string], chunkSize?: number) {
  return ipfsAddOptions(await importTree(sourceOf(tree), { onNode: () => {}, chunkSize }));
}

describe('ipfsAddOptions', () => {
  it('names the chunk size of a file', async () => {
    assert.deepEqual(await optionsFor(noise(100 * KIB)), {
      command: 'ipfs add --cid-version 1 --raw-leaves --chunker size-65536 --max-file-links 1024',
      note: undefined,
    });
  });

  it('finds the chunk size that suits all files of a directory', async () => {
    const { command } = await optionsFor({ a: noise(10), b: { c: noise(3 * KIB) } }, 2 * KIB);
    assert.equal(
      command,
      'ipfs add --cid-version 1 --raw-leaves --chunker size-2048 --max-file-links 1024 --recursive --hidden --max-hamt-fanout 256',
    );
  });

  it('says why there is no command where the files need different chunk sizes', async () => {
    const large = { type: 'file', name: 'large', size: 65 * KIB * KIB } as const;
    const { command, note } = ipfsAddOptions(
      await importTree(
        {
          type: 'directory',
          name: '',
          async *children() {
            yield sourceOf(noise(70 * KIB), 'small');
            yield {
              ...large,
              async *open() {
                for (let i = 0; i < 65; i++) yield new Uint8Array(KIB * KIB);
              },
            };
          },
        },
        { onNode: () => {} },
      ),
    );
    assert.equal(command, undefined);
    assert.match(note ?? '', /different chunk sizes/);
  });

  it('names the setting that a directory between the two thresholds needs', async () => {
    const names = Array.from({ length: 5_000 }, (_, i) => [`name-${String(i).padStart(8, '0')}`, noise(1)]);
    const { note } = await optionsFor(Object.fromEntries(names) as Tree);
    assert.match(note ?? '', /UnixFSHAMTDirectorySizeEstimation/);
  });
});
