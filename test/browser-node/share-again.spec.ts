import assert from 'node:assert/strict';
import { importFiles } from '../../src/browser-store/import-files.ts';
import { KeptShares, type KeptShare } from '../../src/browser-store/kept-shares.ts';
import { MemoryBudget, MemoryChunks } from '../../src/browser-store/memory-chunks.ts';
import type { PageDatabase } from '../../src/browser-store/page-database.ts';
import { MemoryRecords } from '../../src/browser-store/page-records.ts';
import { PageStore } from '../../src/browser-store/page-store.ts';
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

/** A file that the browser reads until it changes on the disk, or its disk is gone. */
class PickedFile extends File {
  isReadable = true;
  timesRead = 0;

  override slice(from?: number, to?: number): Blob {
    this.timesRead++;
    return this.isReadable ? super.slice(from, to) : unreadable(this.size).slice(from, to);
  }
}

/** A store with a share of one file, which has two chunks, and the node that serves it. */
async function sharedFile() {
  const write = (seed: number, lastModified: number) =>
    new PickedFile([bytesOf(100_000, seed) as Uint8Array<ArrayBuffer>], 'a', { lastModified });
  const disk = { now: write(1, 1), write };
  const handle = {
    kind: 'file',
    name: 'a',
    getFile: async () => disk.now,
  } as unknown as FileSystemFileHandle;
  const kept = new Map<string, Uint8Array>();
  const db = {
    loadShares: async () => new Map(),
    putShare: async (_root: string, _share: KeptShare, nodes: { node: string; bytes: Uint8Array }[]) => {
      for (const { node, bytes } of nodes) kept.set(node, bytes);
    },
    nodesOf: async () => kept,
  } as unknown as PageDatabase;
  const budget = new MemoryBudget(1 << 24);
  const store = await PageStore.open({
    records: new MemoryRecords(budget),
    spaces: [new MemoryChunks(budget)],
    shares: await KeptShares.load(db, () => {}),
    log: () => {},
  });
  const options = { name: 'a', chunkSize: 65_536, onProgress: undefined, signal: undefined };
  const shared = await importFiles([{ path: '', file: disk.now }], options);
  const stamps = new Map([['', { size: 100_000, lastModified: 1 }]]);
  const share = { name: 'a', type: 'file' as const, bytes: 100_000, chunkSize: 65_536, stamps };
  const { root } = await store.addShared(shared, { v: 1, ...share, handles: [{ path: '', handle }] });
  const node = {
    closing: new AbortController().signal,
    handleAssetError: () => {},
    publish: async () => {},
  } as unknown as ShoalNode;
  const read = async () => (await store.open(root))?.read(1);
  return { disk, db, store, root, read, stateNow: async () => (await shareAgain(node, store, {}))[0]?.state };
}

const CHANGED = { code: 'ERR_FILE_CHANGED' };

describe('what a page shares again', () => {
  it('is what was found changed while the page was open: as it was, where the file was only written anew', async () => {
    const { disk, store, read, stateNow } = await sharedFile();
    assert.equal(await stateNow(), 'shared');
    disk.now.isReadable = false;
    await assert.rejects(read(), CHANGED);
    disk.now = disk.write(1, 2);
    assert.equal(await stateNow(), 'shared');
    await read();
    disk.now.isReadable = false;
    await assert.rejects(read(), CHANGED);
    disk.now = disk.write(2, 3);
    assert.equal(await stateNow(), 'changed');
    await store.close();
  });

  it('is served again when every byte was found to be right', async () => {
    const { disk, store, root, read } = await sharedFile();
    disk.now.isReadable = false;
    await assert.rejects(read(), CHANGED);
    assert.equal((await store.recheck(root))?.isRenewed, false);
    disk.now.isReadable = true;
    assert.equal((await store.recheck(root))?.isRenewed, true);
    await read();
    assert.equal((await store.recheck(root))?.isRenewed, false);
    await store.close();
  });

  it('is hashed once, however often it is asked for: who asks meanwhile waits for that', async () => {
    const { disk, store, read, stateNow } = await sharedFile();
    disk.now.isReadable = false;
    await assert.rejects(read(), CHANGED);
    disk.now = disk.write(2, 2);
    assert.deepEqual(await Promise.all([stateNow(), stateNow()]), ['changed', 'changed']);
    assert.equal(await stateNow(), 'changed');
    assert.equal(disk.now.timesRead, 1);
    disk.now = disk.write(1, 3);
    assert.deepEqual(await Promise.all([stateNow(), stateNow()]), ['shared', 'shared']);
    assert.equal(disk.now.timesRead, 1);
    await store.close();
  });

  it('is hashed anew where the browser has lost what it kept of it', async () => {
    const { disk, db, store, read, stateNow } = await sharedFile();
    disk.now.isReadable = false;
    await assert.rejects(read(), CHANGED);
    disk.now.isReadable = true;
    db.nodesOf = () => Promise.reject(new DOMException('it cannot be read', 'NotReadableError'));
    assert.equal(await stateNow(), 'shared');
    await read();
    await store.close();
  });

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
