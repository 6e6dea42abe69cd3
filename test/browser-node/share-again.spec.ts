import assert from 'node:assert/strict';
import { importFiles } from '../../src/browser-store/import-files.ts';
import type { KeptShare } from '../../src/browser-store/kept-shares.ts';
import type { PageStore } from '../../src/browser-store/page-store.ts';
import { shareAgain } from '../../src/browser-node/share-again.ts';
import type { ShoalNode } from '../../src/node/shoal-node.ts';
import { bytesOf } from '../store/assets.ts';

/** A file of one chunk as an earlier page shared it. @param now what its handle gives by now */
async function keptShare(name: string, seed: number, now?: Blob): Promise<[root: string, KeptShare]> {
  const file = new Blob([bytesOf(1000, seed) as Uint8Array<ArrayBuffer>]);
  const { manifest } = await importFiles([{ path: '', file }], {
    name,
    chunkSize: undefined,
    onProgress: undefined,
    signal: undefined,
  });
  const handle = { kind: 'file', name, getFile: async () => now ?? file } as unknown as FileSystemFileHandle;
  return [
    manifest.root.toString(),
    {
      v: 1,
      name,
      type: 'file',
      bytes: file.size,
      chunkSize: undefined,
      handles: [{ path: '', handle }],
      stamps: new Map([['', { size: file.size, lastModified: 0 }]]),
    },
  ];
}

/** A file that is there, and that the browser does not read. */
function unreadable(size: number): Blob {
  const arrayBuffer = () => Promise.reject(new DOMException('could not be read', 'NotReadableError'));
  return { size, slice: () => ({ arrayBuffer }) } as unknown as Blob;
}

describe('what a page shares again', () => {
  it('is all but a file that the browser does not read', async () => {
    const all = new Map([await keptShare('bad', 1, unreadable(1000)), await keptShare('good', 2)]);
    const told: string[] = [];
    const node = {
      closing: new AbortController().signal,
      handleAssetError: (_root: unknown, { code }: { code: string }) => told.push(code),
      publish: async () => {},
    } as unknown as ShoalNode;
    const store = {
      shares: { all, nodes: async () => new Map() },
      isShared: () => false,
      addShared: async () => {},
    } as unknown as PageStore;
    const results = await shareAgain(node, store, {});
    assert.deepEqual(
      results.map(({ name, state }) => [name, state]),
      [
        ['bad', 'changed'],
        ['good', 'shared'],
      ],
    );
    assert.match(results[0]?.problem ?? '', /bad cannot be read/);
    assert.deepEqual(told, ['ERR_FILE_CHANGED']);
  });
});
