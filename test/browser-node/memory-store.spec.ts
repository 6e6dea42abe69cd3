import assert from 'node:assert/strict';
import { MemoryStore } from '../../src/browser-node/memory-store.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';
import type { StoredAsset } from '../../src/store/store.ts';
import { bytesOf, fileOf, type MemoryFile } from '../swarm/shell/memory-asset.ts';
import { CID } from 'multiformats/cid';

async function putNodes(store: MemoryStore, file: MemoryFile): Promise<void> {
  for (const [cid, bytes] of file.nodes) await store.putNode(file.root, CID.parse(cid), bytes);
}

async function writeAll(asset: StoredAsset, file: MemoryFile): Promise<void> {
  const { manifest, content } = file;
  for (let chunk = 0; chunk < manifest.chunkCount; chunk++) {
    const offset = manifest.places(chunk)[0]?.offset ?? 0;
    const bytes = content.slice(offset, offset + manifest.chunkSize(chunk));
    await asset.write(chunk, await VerifiedChunk.expect(manifest.chunkDigest(chunk), bytes, 'a chunk'));
    // The memory is the caller's again.
    bytes.fill(0);
  }
}

describe('the store of a page', () => {
  it('gives back what was written, verified, and whole files as Blobs', async () => {
    const file = await fileOf(bytesOf(300_000));
    await using store = new MemoryStore(1 << 20);
    await putNodes(store, file);
    const asset = await store.startDownload(file.root, { path: undefined, name: 'a.bin' });
    assert.equal(asset.state, 'partial');
    await assert.rejects(asset.finish(), { code: 'ERR_INCOMPLETE' });
    await writeAll(asset, file);
    assert.ok(asset.have().isFull);
    assert.equal(asset.state, 'complete');
    const { bytes } = await asset.read(1);
    assert.deepEqual(bytes, file.content.slice(64 << 10, 128 << 10));
    const blob = store.asset(file.root)?.file(0, 'a/b');
    assert.deepEqual(new Uint8Array((await blob?.arrayBuffer()) ?? []), file.content);
    assert.equal(blob?.type, 'a/b');
    const [record] = await Array.fromAsync(store.list());
    assert.equal(record?.name, 'a.bin');
    assert.equal(record?.bytesHere, file.manifest.chunkBytes);
    assert.deepEqual((await store.recheck(file.root))?.problems, []);
  });

  it('shares one asset among all that open it', async () => {
    const file = await fileOf(bytesOf(200_000));
    await using store = new MemoryStore(1 << 20);
    await putNodes(store, file);
    const options = { path: undefined };
    const [a, b] = await Promise.all([
      store.startDownload(file.root, options),
      store.startDownload(file.root, options),
    ]);
    assert.equal(a, b);
    assert.equal(await store.open(file.root), a);
  });

  it('takes no more than its bound, and has room again when an asset is removed', async () => {
    const file = await fileOf(bytesOf(300_000, 1));
    const other = await fileOf(bytesOf(300_000, 2));
    await using store = new MemoryStore(400_000);
    await putNodes(store, file);
    await putNodes(store, other);
    await store.startDownload(file.root, { path: undefined });
    await assert.rejects(store.startDownload(other.root, { path: undefined }), { code: 'ERR_NO_SPACE' });
    await store.remove(file.root);
    await store.startDownload(other.root, { path: undefined });
    await assert.rejects(store.putNode(file.root, file.root, new Uint8Array(200_000)), {
      code: 'ERR_NO_SPACE',
    });
    assert.equal(await store.get(file.root), undefined);
  });

  it('says what it lacks', async () => {
    const file = await fileOf(bytesOf(300_000));
    await using store = new MemoryStore(1 << 20);
    await assert.rejects(store.startDownload(file.root, { path: undefined }), { code: 'ERR_UNKNOWN_ASSET' });
    await putNodes(store, file);
    const asset = await store.startDownload(file.root, { path: undefined });
    await assert.rejects(asset.read(0), { code: 'ERR_CHUNK_MISSING' });
    assert.throws(() => store.asset(file.root)?.file(0), { code: 'ERR_CHUNK_MISSING' });
  });

  it('has the content of a file of one leaf with its root', async () => {
    const file = await fileOf(bytesOf(1000));
    await using store = new MemoryStore(1 << 20);
    await store.putNode(file.root, file.root, file.content);
    const asset = await store.startDownload(file.root, { path: undefined });
    assert.deepEqual((await asset.read(0)).bytes, file.content);
  });
});
