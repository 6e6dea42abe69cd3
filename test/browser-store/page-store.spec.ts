import assert from 'node:assert/strict';
import { MemoryBudget, MemoryChunks } from '../../src/browser-store/memory-chunks.ts';
import { MemoryRecords } from '../../src/browser-store/page-records.ts';
import { PageStore } from '../../src/browser-store/page-store.ts';
import { storeContract } from '../contracts/store-contract.ts';
import { bytesOf, CHUNK, download, putNodes, remoteFile, remoteTree, writeChunks } from '../store/assets.ts';

/** What a browser keeps of a page, and the pages that open it one after the other. */
class Origin {
  readonly budget: MemoryBudget;
  readonly records: MemoryRecords;
  readonly chunks: MemoryChunks;
  readonly logged: string[] = [];
  readonly kept: boolean[] = [];

  constructor(maxBytes = 1 << 24) {
    this.budget = new MemoryBudget(maxBytes);
    this.records = new MemoryRecords(this.budget);
    this.chunks = new MemoryChunks(this.budget);
  }

  open(): Promise<PageStore> {
    return PageStore.open({
      records: this.records,
      spaces: [this.chunks],
      log: (level, message) => this.logged.push(`${level}: ${message}`),
      onEvicted: (_root, { code, message }) => this.logged.push(`${code}: ${message}`),
      onKept: (isAny) => this.kept.push(isAny),
    });
  }
}

storeContract(
  'the storage of a page',
  async () => {
    const origin = new Origin();
    const test = {
      store: await origin.open(),
      newTarget: () => undefined,
      reopen: async () => {
        await test.store.close();
        test.store = await origin.open();
        return test.store;
      },
      [Symbol.asyncDispose]: () => test.store.close(),
    };
    return test;
  },
  { paths: false, sharesKept: false },
);

describe('the storage of a page', () => {
  it('gives whole files as Blobs, and those of a directory', async () => {
    const [a, b] = [bytesOf(5 * CHUNK), bytesOf(1500, 2)];
    const asset = await remoteTree({ a, sub: { entries: { b, empty: new Uint8Array(0) } } });
    await using store = await new Origin().open();
    const stored = await download(store, asset, undefined);
    const paths = stored.manifest.entries.map(({ path }) => path.join('/'));
    const blobOf = (path: string) => store.blob(asset.root, paths.indexOf(path), 'a/b');
    assert.deepEqual(new Uint8Array(await (await blobOf('a')).arrayBuffer()), a);
    assert.deepEqual(new Uint8Array(await (await blobOf('sub/b')).arrayBuffer()), b);
    assert.equal((await blobOf('sub/empty')).size, 0);
    assert.equal((await blobOf('a')).type, 'a/b');
  });

  it('takes no more than its bound, and has room again when an asset is removed', async () => {
    const [one, other] = [await remoteFile(bytesOf(300_000)), await remoteFile(bytesOf(300_000, 2))];
    await using store = await new Origin(400_000).open();
    await putNodes(store, one);
    await putNodes(store, other);
    await store.startDownload(one.root, { path: undefined });
    await assert.rejects(store.startDownload(other.root, { path: undefined }), { code: 'ERR_NO_SPACE' });
    await store.remove(one.root);
    await store.startDownload(other.root, { path: undefined });
  });

  it('names the asset and what helps where the browser has no room for a record', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await using store = await origin.open();
    const refuse = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    const put = origin.records.put.bind(origin.records);
    const noSpace = { code: 'ERR_NO_SPACE', message: /a record of bafy.*remove an asset/ };
    origin.records.put = refuse;
    await assert.rejects(putNodes(store, asset), noSpace);
    origin.records.put = put;
    await putNodes(store, asset);
    origin.records.put = refuse;
    await assert.rejects(store.startDownload(asset.root, { path: undefined }), noSpace);
    origin.records.put = put;
    const stored = await store.startDownload(asset.root, { path: undefined });
    await writeChunks(stored, asset);
    origin.records.put = refuse;
    await assert.rejects(stored.finish(), noSpace);
  });

  it('forgets what was damaged when it is opened again, and fetches it anew', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    const file = await origin.chunks.open(asset.root.toString(), undefined as never);
    await file.write(2, bytesOf(CHUNK, 9));
    await using store = await origin.open();
    const stored = (await store.open(asset.root))!;
    await assert.rejects(stored.read(2), { code: 'ERR_FILE_CHANGED' });
    await stored.close();
    const again = await store.startDownload(asset.root, { path: undefined });
    assert.equal(again.state, 'partial');
    assert.equal(again.have().count, 3);
    await writeChunks(again, asset, [2]);
    await again.finish();
    assert.equal((await store.get(asset.root))?.state, 'complete');
  });

  it('takes nodes that the browser has lost for what is not here, and keeps them anew', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    await using store = await origin.open();
    const { getNode } = origin.records;
    for (const name of ['NotReadableError', 'DataError']) {
      origin.records.getNode = () => Promise.reject(new DOMException('data lost', name));
      assert.equal(await store.getNode(asset.root, asset.root), undefined);
      assert.equal(await store.open(asset.root), undefined);
    }
    origin.records.getNode = getNode;
    await putNodes(store, asset);
    const stored = (await store.open(asset.root))!;
    assert.equal(stored.state, 'complete');
    await stored.close();
  });

  it('opens what was damaged anew, though others still have it open, and fetches that again', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    await using store = await origin.open();
    const held = (await store.open(asset.root))!;
    const file = await origin.chunks.open(asset.root.toString(), undefined as never);
    await file.forget(2);
    const lost = { code: 'ERR_FILE_CHANGED' };
    await assert.rejects(held.read(2), lost);
    await assert.rejects(held.read(2), lost);
    await assert.rejects(held.finish(), lost);
    const again = await store.startDownload(asset.root, { path: undefined });
    assert.deepEqual([again.state, again.have().count], ['partial', 3]);
    await writeChunks(again, asset, [2]);
    await again.finish();
    await held.close();
    assert.equal((await again.read(2)).bytes.byteLength, CHUNK);
    assert.equal((await store.get(asset.root))?.state, 'complete');
  });

  it('says so where the browser deleted what was whole', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    await origin.chunks.remove(asset.root.toString());
    await using store = await origin.open();
    const stored = await store.startDownload(asset.root, { path: undefined });
    assert.equal(stored.state, 'partial');
    assert.match(origin.logged.join('\n'), /ERR_EVICTED: .*0 of 4096 bytes are left.*persist/);
    // Whatever happens now, no later page takes it for whole.
    assert.equal((await origin.records.load()).get(asset.root.toString())?.state, 'partial');
  });

  it('does not count what lies where this browser no longer looks, and keeps it anew', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    const record = (await origin.records.load()).get(asset.root.toString())!;
    await origin.records.put(asset.root.toString(), { ...record, space: 'opfs' });
    await using store = await origin.open();
    const { state, bytesHere } = (await store.get(asset.root))!;
    assert.deepEqual([state, bytesHere], ['partial', 0]);
    assert.equal(await store.open(asset.root), undefined);
    const again = await download(store, asset, undefined);
    assert.equal((await store.get(asset.root))?.state, 'complete');
    await again.close();
  });

  it('deletes chunks of which no record is left', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    // As if the page had died in the middle of `remove`.
    await origin.records.delete(asset.root.toString());
    await using _store = await origin.open();
    assert.deepEqual(await origin.chunks.roots(), []);
    assert.equal(origin.budget.usedBytes, 0);
  });

  it('is there though chunks of which no record is left cannot be deleted, which is tried again', async () => {
    const [asset, other] = [await remoteFile(bytesOf(4 * CHUNK)), await remoteFile(bytesOf(CHUNK, 2))];
    const origin = new Origin();
    const before = await origin.open();
    await (await download(before, asset, undefined)).close();
    await (await download(before, other, undefined)).close();
    await origin.records.delete(asset.root.toString());
    const { remove } = origin.chunks;
    origin.chunks.remove = () => Promise.reject(new Error('something has it open'));
    const store = await origin.open();
    assert.equal((await store.get(other.root))?.state, 'complete');
    assert.match(origin.logged.join(), new RegExp(`warn: .*${asset.root.toString()}.*something has it open`));
    origin.chunks.remove = remove;
    await using _again = await origin.open();
    assert.deepEqual(await origin.chunks.roots(), [other.root.toString()]);
  });

  it('does not bring back what was removed while somebody read it', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await (await download(await origin.open(), asset, undefined)).close();
    await using store = await origin.open();
    const reader = (await store.open(asset.root))!;
    const file = await origin.chunks.open(asset.root.toString(), undefined as never);
    await store.remove(asset.root);
    for (const n of [0, 1, 2, 3]) await file.forget(n);
    await assert.rejects(reader.read(2), { code: 'ERR_FILE_CHANGED' });
    assert.equal(await store.get(asset.root), undefined);
    assert.equal((await origin.records.load()).size, 0);
    assert.equal(origin.kept.at(-1), false);
  });

  it('does not bring back what was removed while its last note was written', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await using store = await origin.open();
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: undefined });
    await writeChunks(stored, asset);
    const written = Promise.withResolvers<void>();
    const isWriting = Promise.withResolvers<void>();
    const put = origin.records.put.bind(origin.records);
    origin.records.put = async (...args) => {
      await put(...args);
      isWriting.resolve();
      await written.promise;
    };
    const finishing = stored.finish();
    await isWriting.promise;
    await store.remove(asset.root);
    written.resolve();
    await finishing;
    assert.equal(await store.get(asset.root), undefined);
    assert.equal(origin.kept.at(-1), false);
  });

  it('knows what could not be removed, which can be tried again', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await using store = await origin.open();
    await (await download(store, asset, undefined)).close();
    const remove = origin.records.delete.bind(origin.records);
    origin.records.delete = async () => {
      throw new DOMException('the browser gave the change up', 'AbortError');
    };
    await assert.rejects(store.remove(asset.root), {
      code: 'ERR_IO',
      message: /could not remove the record/,
    });
    assert.equal((await store.get(asset.root))?.state, 'complete');
    origin.records.delete = remove;
    await store.remove(asset.root);
    assert.equal((await origin.records.load()).size, 0);
    assert.deepEqual(await origin.chunks.roots(), []);
  });

  it('tells when it keeps something, and when nothing is left', async () => {
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    const origin = new Origin();
    await using store = await origin.open();
    await (await download(store, asset, undefined)).close();
    assert.equal(origin.kept.at(-1), true);
    await store.remove(asset.root);
    assert.equal(origin.kept.at(-1), false);
  });
});
