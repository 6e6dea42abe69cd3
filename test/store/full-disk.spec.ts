import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { ShoalError } from '../../src/errors.ts';
import { NodeIndex } from '../../src/store/node-index.ts';
import { openStore } from '../../src/store/open-store.ts';
import { spareBytes } from '../../src/store/space.ts';
import { bytesOf, download, putNodes, readAll, remoteFile, writeChunks } from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';

const KIB64 = 64 * 1024;

describe('A disk that is too small', () => {
  it('is noticed before the download starts, with both figures', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 6);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(100 * KIB64), KIB64);
    await putNodes(store, asset);
    await assert.rejects(store.startDownload(asset.root, { path: join(mount.path, 'file') }), {
      code: 'ERR_NO_SPACE',
      message: /needs 6\.3 MiB and .* has (6\.0|5\.9) MiB free/,
    });
    assert.deepEqual(await readdir(mount.path), []);
  });

  it('has room for a small file although it is nearly full', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 1);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const stored = await download(store, await remoteFile(bytesOf(6)), join(mount.path, 'file'));
    await stored.close();
    assert.deepEqual(await readdir(mount.path), ['file']);
  });

  it('leaves no empty identity behind, also where no hard links are to be had', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const { writeFile } = promises;
    const linking = mock.method(promises, 'link', async () => {
      throw Object.assign(new Error('no hard links here'), { code: 'EPERM', syscall: 'link' });
    });
    const writing = mock.method(
      promises,
      'writeFile',
      async (...[file, , options]: Parameters<typeof writeFile>) => {
        await writeFile(file, '', options);
        throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC', syscall: 'write' });
      },
    );
    try {
      syncBuiltinESMExports();
      await assert.rejects(store.identity(), { code: 'ERR_DISK_FULL' });
      writing.mock.restore();
      syncBuiltinESMExports();
      const identity = await store.identity();
      assert.deepEqual(await store.identity(), Buffer.from(identity));
    } finally {
      writing.mock.restore();
      linking.mock.restore();
      syncBuiltinESMExports();
    }
  });

  it('keeps a hundredth to spare, within bounds', () => {
    const mib = 1024 * 1024;
    assert.deepEqual([6, 50 * mib, 1e12].map(spareBytes), [64 * 1024, mib / 2, 16 * mib]);
  });

  it('takes in a stream of unknown length for which it has room, though not for much more', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 6);
    if (!mount) this.skip();
    await using store = await openStore(join(mount.path, 'data'));
    const content = async function* (): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 48; n++) yield bytesOf(KIB64, n);
    };
    const record = await store.share({ name: 'stream', content: content() });
    assert.equal(record.bytes, 48 * KIB64);
  });

  it('is noticed while a stream of unknown length is taken in', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(mount.path, 'data'));
    const content = (async function* () {
      for (;;) yield new Uint8Array(1 << 20);
    })();
    await assert.rejects(store.share({ content }), { code: 'ERR_NO_SPACE' });
    assert.deepEqual(await readdir(join(mount.path, 'data', 'content')), []);
  });

  it('stops a download that fills it, which goes on when there is room again', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 24);
    if (!mount) this.skip();
    const dataDir = join(folder.path, 'data');
    const target = join(mount.path, 'file');
    const asset = await remoteFile(bytesOf(100 * KIB64), KIB64);
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
      const stored = await store.startDownload(asset.root, { path: target });
      const { bavail, bsize } = await statfs(mount.path);
      await writeFile(join(mount.path, 'filler'), new Uint8Array(bavail * bsize - 40 * KIB64));
      await assert.rejects(writeChunks(stored, asset), { code: 'ERR_DISK_FULL', message: /free some space/ });
      await stored.close();
    }
    await using store = await openStore(dataDir);
    const stored = (await store.open(asset.root))!;
    const { count } = stored.have();
    assert.ok(count > 30 && count < 45, `${count} chunks`);
    assert.equal(await readAll(stored), count);
    await rm(join(mount.path, 'filler'));
    await writeChunks(stored, asset);
    await stored.finish();
    assert.equal(await readAll(stored), 100);
    await stored.close();
  });

  it('keeps no download from being closed, though the index takes no note of how far it is', async () => {
    await using folder = await tempFolder();
    const logged: string[] = [];
    const log = (_level: string, message: string): void => void logged.push(message);
    await using store = await openStore(join(folder.path, 'data'), { log });
    const asset = await remoteFile(bytesOf(3 * KIB64), KIB64);
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: join(folder.path, 'target') });
    await writeChunks(stored, asset, [1]);
    const full = mock.method(NodeIndex.prototype, 'noteRecord', async () => {
      throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
    });
    try {
      await stored.close();
    } finally {
      full.mock.restore();
    }
    assert.match(logged.join(), /not noted: .*the disk is full/);
    const again = await store.open(asset.root);
    assert.equal(again?.have().count, 1);
    await again?.close();
  });

  it('costs nothing of a download that is whole, though the index takes no note of that at first', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * KIB64), KIB64);
    const path = join(folder.path, 'target');
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path });
    await writeChunks(stored, asset);
    const full = mock.method(NodeIndex.prototype, 'putRecord', async () => {
      throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
    });
    try {
      await assert.rejects(stored.finish(), { code: 'ERR_DISK_FULL' });
      await stored.close();
      await assert.rejects(store.startDownload(asset.root, { path }), { code: 'ERR_DISK_FULL' });
    } finally {
      full.mock.restore();
    }
    const again = await store.startDownload(asset.root, { path });
    assert.equal(again.state, 'complete');
    await again.close();
    assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'target']);
    assert.deepEqual(await readdir(join(folder.path, 'data', 'partials')), []);
  });

  it('begins no download that the index takes no note of', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * KIB64), KIB64);
    await putNodes(store, asset);
    assert.equal(await store.open(asset.root), undefined);
    const full = mock.method(NodeIndex.prototype, 'putRecord', async () => {
      throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
    });
    try {
      const path = join(folder.path, 'target');
      await assert.rejects(store.startDownload(asset.root, { path, name: 'new' }), { code: 'ERR_DISK_FULL' });
    } finally {
      full.mock.restore();
    }
    const record = await store.get(asset.root);
    assert.deepEqual([record?.path, record?.name], [undefined, undefined]);
    // As when a peer asks for it.
    assert.equal(await store.open(asset.root), undefined);
    assert.deepEqual(await readdir(folder.path), ['data']);
  });

  it('has an asset removed in a second try where the index takes no note of the first one', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    await using store = await openStore(dataDir);
    const content = (async function* () {
      yield bytesOf(KIB64);
    })();
    const { root } = await store.share({ content });
    const full = mock.method(NodeIndex.prototype, 'deleteRecord', async () => {
      throw new ShoalError('ERR_DISK_FULL', 'the disk is full');
    });
    try {
      await assert.rejects(store.remove(root), { code: 'ERR_DISK_FULL' });
    } finally {
      full.mock.restore();
    }
    assert.deepEqual(await readdir(join(dataDir, 'content')), []);
    assert.ok(await store.get(root));
    await store.remove(root);
    await store.close();
    await using again = await openStore(dataDir);
    assert.equal(await again.get(root), undefined);
  });

  it('loses nothing of what is written to the index when there is room again', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 32);
    if (!mount) this.skip();
    const dataDir = join(mount.path, 'data');
    const filler = join(mount.path, 'filler');
    const value = bytesOf(5000);
    const kept: string[] = [];
    {
      await using store = await openStore(dataDir);
      const put = async (key: string): Promise<void> => {
        await store.putSetting(key, value);
        kept.push(key);
      };
      const { bavail, bsize } = await statfs(mount.path);
      await writeFile(filler, new Uint8Array(bavail * bsize - 200_000));
      const fill = async (): Promise<void> => {
        for (let n = 0; n < 100; n++) await put(`before ${n}`);
      };
      await assert.rejects(fill(), { code: 'ERR_DISK_FULL' });
      await assert.rejects(put('still full'), { code: 'ERR_DISK_FULL' });
      await rm(filler);
      for (let n = 0; n < 20; n++) await put(`after ${n}`);
    }
    await using store = await openStore(dataDir);
    for (const key of kept) assert.equal((await store.getSetting(key))?.byteLength, 5000, key);
  });

  it('says that the target cannot be written where it is read-only', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 24);
    if (!mount) this.skip();
    mount.makeReadOnly();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * KIB64), KIB64);
    await putNodes(store, asset);
    await assert.rejects(store.startDownload(asset.root, { path: join(mount.path, 'file') }), {
      code: 'ERR_READ_ONLY',
    });
    assert.equal((await store.get(asset.root))?.path, undefined);
  });

  it('takes a partial along from one file system to another', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 40);
    if (!mount) this.skip();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(20 * KIB64), KIB64);
    await putNodes(store, asset);
    const before = await store.startDownload(asset.root, { path: join(folder.path, 'file') });
    await writeChunks(before, asset, [1, 2, 3]);
    await before.close();
    const after = await store.startDownload(asset.root, { path: join(mount.path, 'file') });
    assert.equal(after.have().count, 3);
    await writeChunks(after, asset);
    await after.finish();
    await after.close();
    assert.deepEqual(await readdir(mount.path), ['file']);
    assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'mount']);
  });
});
