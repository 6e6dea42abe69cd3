import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { Bitfield } from '../../src/swarm/core/bitfield.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';
import type { AssetRecord, Store } from '../../src/store/store.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  readAll,
  remoteFile,
  remoteTree,
  writeChunks,
} from '../store/assets.ts';

/** One store for one test: `reopen` closes it and opens it again on what it kept. */
export interface StoreUnderTest extends AsyncDisposable {
  store: Store;
  /** A path where nothing is, in a folder that exists; undefined where the store has no paths. */
  newTarget(): string | undefined;
  reopen(): Promise<Store>;
}

const UNKNOWN = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

/**
 * What every implementation of `Store` and `StoredAsset` does.
 *
 * @param has whether downloads have targets, and whether what is shared is still there when the store is opened again
 */
export function storeContract(
  name: string,
  make: () => Promise<StoreUnderTest>,
  has: { paths: boolean; sharesKept: boolean } = { paths: true, sharesKept: true },
): void {
  describe(`${name} as a store`, () => {
    let test: StoreUnderTest;
    beforeEach(async () => {
      test = await make();
    });
    afterEach(() => test[Symbol.asyncDispose]());

    const itWithPaths = has.paths ? it : () => {};
    const records = async (): Promise<AssetRecord[]> => Array.fromAsync(test.store.list());

    it('keeps one identity for ever', async () => {
      const first = new Uint8Array(await test.store.identity());
      assert.deepEqual(new Uint8Array(await test.store.identity()), first);
      assert.deepEqual(new Uint8Array(await (await test.reopen()).identity()), first);
    });

    it('keeps settings, and forgets those set to undefined', async () => {
      await test.store.putSetting('peers/a', bytesOf(10));
      await test.store.putSetting('peers/b', bytesOf(20));
      await test.store.putSetting('peers/b', undefined);
      const again = await test.reopen();
      assert.deepEqual(new Uint8Array((await again.getSetting('peers/a')) ?? []), bytesOf(10));
      assert.equal(await again.getSetting('peers/b'), undefined);
    });

    it('knows nothing of an asset it never met', async () => {
      assert.equal(await test.store.get(UNKNOWN), undefined);
      assert.equal(await test.store.open(UNKNOWN), undefined);
      assert.equal(await test.store.getNode(UNKNOWN, UNKNOWN), undefined);
      await test.store.remove(UNKNOWN);
      await assert.rejects(test.store.startDownload(UNKNOWN, { path: test.newTarget() }), {
        code: 'ERR_UNKNOWN_ASSET',
      });
    });

    it('keeps nodes, and lists an asset as partial from its first one', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      const [node] = asset.nodes;
      await test.store.putNode(asset.root, node!.cid, node!.bytes);
      const store = await test.reopen();
      assert.deepEqual(
        new Uint8Array((await store.getNode(asset.root, node!.cid)) ?? []),
        new Uint8Array(node!.bytes),
      );
      const record = await store.get(asset.root);
      assert.equal(record?.state, 'partial');
      assert.equal(record.type, 'file');
      assert.equal(record.bytesHere, 0);
    });

    it('does not start a download before all nodes are there', async () => {
      const asset = await remoteTree({ a: bytesOf(3 * CHUNK), b: bytesOf(3 * CHUNK, 2) });
      const rootNode = asset.nodes.find(({ cid }) => cid.equals(asset.root))!;
      await test.store.putNode(asset.root, rootNode.cid, rootNode.bytes);
      assert.equal(await test.store.open(asset.root), undefined);
      await assert.rejects(test.store.startDownload(asset.root, { path: test.newTarget() }), {
        code: 'ERR_INCOMPLETE',
      });
    });

    it('reads back what was written, and only that', async () => {
      const asset = await remoteFile(bytesOf(5 * CHUNK + 100));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      await writeChunks(stored, asset, [1, 5]);
      assert.deepEqual((await stored.read(5)).bytes, (await asset.chunk(5)).bytes);
      await assert.rejects(stored.read(0), { code: 'ERR_CHUNK_MISSING' });
      const expected = new Bitfield(6);
      expected.set(1);
      expected.set(5);
      assert.deepEqual(stored.have().bytes, expected.bytes);
      await stored.close();
    });

    it('gives each caller its own copy of what is here', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      stored.have().set(0);
      assert.equal(stored.have().count, 0);
      await stored.close();
    });

    it('takes the same chunk many times, also at the same time', async () => {
      const asset = await remoteFile(bytesOf(2 * CHUNK));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      await writeChunks(stored, asset, [0, 0, 0, 1]);
      await writeChunks(stored, asset, [0]);
      assert.equal(stored.have().count, 2);
      await stored.close();
    });

    it('refuses a chunk that is verified, but another one', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      const other = await VerifiedChunk.expect(sha256(bytesOf(CHUNK, 9)), bytesOf(CHUNK, 9), 'other');
      await assert.rejects(stored.write(0, other), { code: 'ERR_CHUNK_HASH_MISMATCH' });
      assert.equal(stored.have().count, 0);
      await stored.close();
    });

    it('continues an interrupted download with the chunks it had', async () => {
      const asset = await remoteFile(bytesOf(20 * CHUNK));
      const target = test.newTarget();
      await putNodes(test.store, asset);
      const before = await test.store.startDownload(asset.root, { path: target });
      await writeChunks(before, asset, [3, 4, 19]);
      await before.close();
      const store = await test.reopen();
      assert.equal((await store.get(asset.root))?.bytesHere, 3 * CHUNK);
      const seen: number[] = [];
      const after = await store.startDownload(asset.root, {
        path: target,
        onCheck: (bytes, total) => seen.push(bytes, total),
      });
      assert.equal(after.have().count, 3);
      assert.equal(await readAll(after), 3);
      assert.deepEqual(seen.slice(-2), [3 * CHUNK, 3 * CHUNK]);
      await after.close();
    });

    it('does not finish before everything is there', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      await writeChunks(stored, asset, [0, 1]);
      await assert.rejects(stored.finish(), { code: 'ERR_INCOMPLETE' });
      await writeChunks(stored, asset, [2]);
      await stored.finish();
      assert.equal(stored.state, 'complete');
      await stored.close();
    });

    it('serves a finished download from its path, in the same handle and after a restart', async () => {
      const asset = await remoteTree({ a: bytesOf(3 * CHUNK), sub: { entries: { b: bytesOf(1500, 2) } } });
      const target = test.newTarget();
      const stored = await download(test.store, asset, target);
      assert.equal(stored.path, target);
      assert.equal(await readAll(stored), asset.manifest.chunkCount);
      await stored.close();
      const record = await (await test.reopen()).get(asset.root);
      assert.deepEqual(
        { ...record, root: undefined, name: undefined },
        {
          root: undefined,
          name: undefined,
          type: 'directory',
          bytes: asset.manifest.size,
          bytesHere: asset.manifest.chunkBytes,
          state: 'complete',
          path: target,
        },
      );
      const again = await test.store.open(asset.root);
      assert.equal(await readAll(again!), asset.manifest.chunkCount);
      assert.equal(again!.state, 'complete');
      await again!.close();
    });

    it('keeps a download without a target inside, and finishes it there', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      const stored = await download(test.store, asset, undefined);
      assert.equal(stored.path, undefined);
      assert.equal(await stored.finish(), undefined);
      assert.equal(await readAll(stored), 3);
      await stored.close();
      assert.equal((await (await test.reopen()).get(asset.root))?.path, undefined);
    });

    itWithPaths('never replaces what is at the target, unless forced', async () => {
      const [one, two] = [await remoteFile(bytesOf(3 * CHUNK)), await remoteFile(bytesOf(3 * CHUNK, 2))];
      const target = test.newTarget();
      await (await download(test.store, one, target)).close();
      await putNodes(test.store, two);
      await assert.rejects(test.store.startDownload(two.root, { path: target }), {
        code: 'ERR_TARGET_EXISTS',
      });
      const stored = await download(test.store, two, target, { force: true });
      assert.equal(await readAll(stored), 3);
      await stored.close();
      await assert.rejects(test.store.open(one.root), { code: 'ERR_FILE_CHANGED' });
    });

    itWithPaths('has at once what lies on this machine already', async () => {
      const asset = await remoteFile(bytesOf(9 * CHUNK));
      await (await download(test.store, asset, test.newTarget())).close();
      const target = test.newTarget();
      const copy = await test.store.startDownload(asset.root, { path: target });
      assert.equal(copy.have().isFull, true);
      assert.equal(await copy.finish(), target);
      assert.equal(await readAll(copy), 9);
      await copy.close();
    });

    it('has a file of one chunk as soon as its root is known', async () => {
      const asset = await remoteFile(bytesOf(500));
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: test.newTarget() });
      assert.equal(stored.have().isFull, true);
      await stored.finish();
      await stored.close();
      const store = await test.reopen();
      assert.deepEqual(new Uint8Array((await store.getNode(asset.root, asset.root)) ?? []), bytesOf(500));
      assert.equal(await readAll((await store.open(asset.root))!), 1);
    });

    it('shares content, and has all of it and its nodes', async () => {
      const content = bytesOf(7 * CHUNK);
      const record = await test.store.share(
        {
          name: 'data.bin',
          content: (async function* () {
            yield content;
          })(),
        },
        { chunkSize: CHUNK },
      );
      assert.equal(record.root.toString(), (await remoteFile(content)).root.toString());
      assert.deepEqual(
        [record.name, record.state, record.bytes, record.path],
        ['data.bin', 'shared', 7 * CHUNK, undefined],
      );
      const store = has.sharesKept ? await test.reopen() : test.store;
      const stored = (await store.open(record.root))!;
      assert.equal(stored.state, 'shared');
      assert.equal(await readAll(stored), 7);
      assert.ok(await store.getNode(record.root, record.root));
      await stored.close();
    });

    it('lists every asset once', async () => {
      const [one, two] = [await remoteFile(bytesOf(3 * CHUNK)), await remoteFile(bytesOf(3 * CHUNK, 2))];
      for (const asset of [one, two, one]) await putNodes(test.store, asset);
      const listed = (await records()).map(({ root }) => root.toString());
      assert.deepEqual(listed.sort(), [one, two].map(({ root }) => root.toString()).sort());
    });

    it('forgets an asset that is removed, and can fetch it again', async () => {
      const asset = await remoteFile(bytesOf(4 * CHUNK));
      const target = test.newTarget();
      await putNodes(test.store, asset);
      const stored = await test.store.startDownload(asset.root, { path: target });
      await writeChunks(stored, asset, [0, 1]);
      await stored.close();
      await test.store.remove(asset.root);
      assert.deepEqual(await records(), []);
      assert.equal(await test.store.getNode(asset.root, asset.root), undefined);
      const again = await download(test.store, asset, target);
      assert.equal(await readAll(again), 4);
      await again.close();
    });

    it('lets two handles of one download see the same', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      await putNodes(test.store, asset);
      const one = await test.store.startDownload(asset.root, { path: test.newTarget() });
      const two = (await test.store.open(asset.root))!;
      await writeChunks(one, asset, [0, 1]);
      assert.equal(two.have().count, 2);
      await one.close();
      await writeChunks(two, asset, [2]);
      await two.finish();
      assert.equal(await readAll(two), 3);
      await two.close();
    });

    it('rechecks what is here, of a download that is open, one that is not, and one that is finished', async () => {
      const asset = await remoteFile(bytesOf(5 * CHUNK));
      assert.equal(await test.store.recheck(asset.root), undefined);
      await putNodes(test.store, asset);
      assert.equal(await test.store.recheck(asset.root), undefined);
      const path = test.newTarget();
      const right = { path, bytesBad: 0, problems: [], isRenewed: false };
      const stored = await test.store.startDownload(asset.root, { path });
      await writeChunks(stored, asset, [0, 4]);
      assert.deepEqual(await test.store.recheck(asset.root), { ...right, bytesGood: 2 * CHUNK });
      await writeChunks(stored, asset, [1]);
      await stored.close();
      assert.deepEqual(await test.store.recheck(asset.root), { ...right, bytesGood: 3 * CHUNK });
      await (await download(test.store, asset, path)).close();
      const seen: number[] = [];
      const onCheck = (bytes: number, total: number): void => void seen.push(bytes, total);
      const whole = { ...right, bytesGood: 5 * CHUNK };
      assert.deepEqual(await test.store.recheck(asset.root, { onCheck }), whole);
      assert.deepEqual(seen.slice(-2), [5 * CHUNK, 5 * CHUNK]);
    });

    it('ends with the reason of an abort', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      await putNodes(test.store, asset);
      const reason = new Error('no more');
      const signal = AbortSignal.abort(reason);
      await assert.rejects(test.store.startDownload(asset.root, { path: test.newTarget(), signal }), reason);
      await assert.rejects(test.store.open(asset.root, { signal }), reason);
      await assert.rejects(test.store.recheck(asset.root, { signal }), reason);
    });

    it('reads and writes nothing in a handle that is closed', async () => {
      const asset = await remoteFile(bytesOf(3 * CHUNK));
      const stored = await download(test.store, asset, test.newTarget());
      await stored.close();
      await stored.close();
      await assert.rejects(stored.read(0), { code: 'ERR_CLOSED' });
      await assert.rejects(stored.write(0, await asset.chunk(0)), { code: 'ERR_CLOSED' });
    });

    it('does nothing after it has been closed', async () => {
      await test.store.close();
      await test.store.close();
      await assert.rejects(test.store.open(UNKNOWN), { code: 'ERR_CLOSED' });
      await assert.rejects(test.store.getSetting('a'), { code: 'ERR_CLOSED' });
    });
  });
}
