import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf, CHUNK, killAsset, putNodes, readAll, remoteFile, writeChunks } from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';

const asset = await remoteFile(bytesOf(10 * CHUNK));
const { root } = asset;

const GONE = { code: 'ERR_NOT_FOUND', message: /check that its disk is mounted, or get bafy\w+ again/ };

/** A download of four chunks of ten to a folder that stands for a disk. */
async function setUp() {
  const folder = await tempFolder();
  const [disk, away] = [join(folder.path, 'disk'), join(folder.path, 'away')];
  await mkdir(disk);
  const store = await openStore(join(folder.path, 'data'));
  await putNodes(store, asset);
  const target = join(disk, 'file');
  const stored = await store.startDownload(root, { path: target });
  await writeChunks(stored, asset, [1, 2, 3, 9]);
  await stored.close();
  return {
    path: folder.path,
    store,
    disk,
    target,
    unplug: () => rename(disk, away),
    plugIn: async () => {
      await rm(disk, { recursive: true, force: true });
      await rename(away, disk);
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function assertHasFour(store: Store): Promise<void> {
  const stored = (await store.open(root))!;
  assert.equal(stored.have().count, 4);
  assert.equal(await readAll(stored), 4);
  await stored.close();
}

describe('An unfinished download whose disk is away', () => {
  for (const hasMountPoint of [false, true]) {
    const where = hasMountPoint ? 'an empty mount point' : 'nothing';
    it(`is told of and not begun again by who opens or rechecks it, with ${where} in its place`, async () => {
      await using t = await setUp();
      await t.unplug();
      if (hasMountPoint) await mkdir(t.disk);
      await assert.rejects(t.store.open(root), GONE);
      await assert.rejects(t.store.recheck(root), GONE);
      assert.equal((await t.store.get(root))?.bytesHere, 4 * CHUNK);
      if (hasMountPoint) assert.deepEqual(await readdir(t.disk), []);
      await t.plugIn();
      await assertHasFour(t.store);
    });
  }

  it('is not forgotten where it is started again and cannot be made', async () => {
    await using t = await setUp();
    await t.unplug();
    await assert.rejects(t.store.startDownload(root, { path: t.target }), { code: 'ERR_NOT_FOUND' });
    await t.plugIn();
    await assertHasFour(t.store);
  });

  it('is not forgotten where it is started for another target and cannot be made there', async function () {
    await using t = await setUp();
    await using mount = await mountTmpfs(join(t.path, 'mount'), 24);
    if (!mount) this.skip();
    mount.makeReadOnly();
    await t.unplug();
    await assert.rejects(t.store.startDownload(root, { path: join(mount.path, 'file') }), {
      code: 'ERR_READ_ONLY',
    });
    await t.plugIn();
    await assertHasFour(t.store);
  });

  it('keeps what is known of it where something else lies at its target', async () => {
    await using t = await setUp();
    await t.unplug();
    await mkdir(t.disk);
    await writeFile(t.target, 'of another disk');
    await assert.rejects(t.store.open(root), GONE);
    await t.plugIn();
    await assertHasFour(t.store);
  });

  it('keeps all that is known of it where it only had to be put at its target, and something else lies there', async () => {
    await using t = await setUp();
    const stored = (await t.store.open(root))!;
    await writeChunks(stored, asset);
    await stored.close();
    await t.unplug();
    await mkdir(t.disk);
    await writeFile(t.target, bytesOf(10 * CHUNK, 2));
    await assert.rejects(t.store.open(root), GONE);
    await t.plugIn();
    const again = (await t.store.open(root))!;
    assert.ok(again.have().isFull);
    await again.close();
  });

  it('is found where it was being moved to when the process was killed', async () => {
    await using folder = await tempFolder();
    const [disk, away] = [join(folder.path, 'disk'), join(folder.path, 'away')];
    await mkdir(disk);
    const target = join(disk, 'b');
    const script = new URL('kill-mover.ts', import.meta.url).pathname;
    const { signal } = spawnSync(process.execPath, [script, folder.path, 'file', '1', target]);
    assert.equal(signal, 'SIGKILL');
    const moved = await killAsset('file');
    await using store = await openStore(join(folder.path, 'data'));
    await rename(disk, away);
    await assert.rejects(store.open(moved.root), GONE);
    await rename(away, disk);
    const stored = (await store.open(moved.root))!;
    assert.equal(stored.have().count, 60);
    await stored.close();
  });

  it('is begun again where it is started and can be made', async () => {
    await using t = await setUp();
    await t.unplug();
    await mkdir(t.disk);
    const stored = await t.store.startDownload(root, { path: t.target });
    assert.equal(stored.have().count, 0);
    await writeChunks(stored, asset);
    await stored.finish();
    assert.equal(await readAll(stored), 10);
    await stored.close();
    assert.deepEqual(await readdir(t.disk), ['file']);
  });

  it('is begun again for another target, and nothing is made where it was', async () => {
    await using t = await setUp();
    await t.unplug();
    await mkdir(t.disk);
    const stored = await t.store.startDownload(root, { path: join(t.path, 'other') });
    assert.equal(stored.have().count, 0);
    await writeChunks(stored, asset);
    await stored.finish();
    await stored.close();
    assert.deepEqual(await readdir(t.disk), []);
  });

  it('is begun again for another target where its disk can only be read now', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'disk'), 4);
    if (!mount) this.skip();
    const warnings: string[] = [];
    await using store = await openStore(join(folder.path, 'data'), {
      log: (_level, message) => void warnings.push(message),
    });
    const asset = await remoteFile(bytesOf(9 * CHUNK));
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: join(mount.path, 'target') });
    await writeChunks(stored, asset, [1, 2, 3]);
    await stored.close();
    mount.makeReadOnly();
    await (await store.startDownload(asset.root, { path: join(folder.path, 'other') })).close();
    assert.match(warnings.join(), /is of no more use and cannot be deleted/);
  });

  it('can be listed and removed', async () => {
    await using t = await setUp();
    await t.unplug();
    assert.equal((await Array.fromAsync(t.store.list())).length, 1);
    await t.store.remove(root);
    assert.deepEqual(await Array.fromAsync(t.store.list()), []);
    assert.deepEqual(await readdir(join(t.path, 'data', 'partials')), []);
  });
});
