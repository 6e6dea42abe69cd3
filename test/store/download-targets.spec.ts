import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import {
  appendFile,
  cp,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import { openDataFolder } from '../../src/store/data-folder.ts';
import { openStore } from '../../src/store/open-store.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  remoteFile,
  remoteLink,
  remoteTree,
  sameFile,
  writeChunks,
} from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';
import { interrupted } from './interrupted-download.ts';

describe('A download at its target', () => {
  it('makes links as links, and none that leads out of the asset', async () => {
    await using folder = await tempFolder();
    const warnings: string[] = [];
    await using store = await openStore(join(folder.path, 'data'), {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    const asset = await remoteTree({
      file: bytesOf(10),
      good: { link: 'file' },
      d: { entries: { up: { link: '../file' }, over: { link: '../../file' } } },
      absolute: { link: '/etc/passwd' },
      sly: { link: 'd/../..' },
    });
    const target = join(folder.path, 'tree');
    await (await download(store, asset, target)).close();
    assert.deepEqual((await readdir(target)).sort(), ['d', 'file', 'good']);
    assert.equal(await readlink(join(target, 'good')), 'file');
    assert.deepEqual(await readdir(join(target, 'd')), ['up']);
    assert.equal(warnings.length, 3);
    assert.match(warnings.join(), /absolute.*\/etc\/passwd/);
  });

  it('names the first ten links it does not make, and counts the others', async () => {
    await using folder = await tempFolder();
    const warnings: string[] = [];
    await using store = await openStore(join(folder.path, 'data'), {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    const links = Array.from({ length: 25 }, (_, i) => [`l${i}`, { link: '/etc/passwd' }]);
    const asset = await remoteTree({ file: bytesOf(10), ...Object.fromEntries(links) });
    await (await download(store, asset, join(folder.path, 'tree'))).close();
    assert.equal(warnings.length, 11);
    assert.match(warnings[10]!, /^and 15 more links/);
  });

  it('refuses an asset that is nothing but a link out of its folder', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const [bad, good] = [await remoteLink('../../secret'), await remoteLink('neighbour')];
    await putNodes(store, bad);
    await assert.rejects(store.startDownload(bad.root, { path: join(folder.path, 'l') }), {
      code: 'ERR_UNSAFE_LINK',
    });
    await (await download(store, good, join(folder.path, 'l'))).close();
    assert.equal(await readlink(join(folder.path, 'l')), 'neighbour');
  });

  it('leaves the old folder whole until the new one is, and then replaces it', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, 'tree');
    await mkdir(target);
    await writeFile(join(target, 'old'), 'old');
    const asset = await remoteTree({ new: bytesOf(3 * CHUNK) });
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: target, force: true });
    await writeChunks(stored, asset);
    assert.deepEqual(await readdir(target), ['old']);
    await assert.rejects(stored.finish(), { code: 'ERR_TARGET_EXISTS' });
    assert.deepEqual(await readdir(target), ['old']);
    await stored.finish({ force: true });
    await stored.close();
    assert.deepEqual(await readdir(target), ['new']);
    assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'tree']);
  });

  it('is finished although what it replaces cannot be deleted', async function () {
    await using folder = await tempFolder();
    const warnings: string[] = [];
    await using store = await openStore(join(folder.path, 'data'), {
      log: (_level, message) => void warnings.push(message),
    });
    const target = join(folder.path, 'tree');
    await using kept = await mountTmpfs(join(target, 'kept'), 1);
    if (!kept) this.skip();
    const asset = await remoteTree({ new: bytesOf(3 * CHUNK) });
    const finished = download(store, asset, target, { force: true });
    await finished.catch(() => {});
    const aside = (await readdir(folder.path)).find((name) => name.endsWith('.shoal-old'));
    if (aside) kept.path = join(folder.path, aside, 'kept');
    await (await finished).close();
    assert.deepEqual(await readdir(target), ['new']);
    assert.deepEqual(await readdir(join(folder.path, 'data', 'partials')), []);
    assert.match(warnings.join(), /what was replaced lies in .*shoal-old now and cannot be deleted/);
    await (await store.open(asset.root))!.close();
  });

  it('has what it replaced deleted at the next start where the process was killed before', async () => {
    await using folder = await tempFolder();
    const [dataDir, target, killed] = ['data', 'tree', 'killed'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    await mkdir(target);
    await writeFile(join(target, 'old'), 'old');
    const asset = await remoteTree({ new: bytesOf(3 * CHUNK) });
    const { rm } = promises;
    const deleting = mock.method(promises, 'rm', async (...[what, options]: Parameters<typeof rm>) => {
      if (!String(what).endsWith('.shoal-old')) return rm(what, options);
      // What the data folder is when the process ends here.
      await cp(dataDir, killed, { recursive: true });
      throw Object.assign(new Error('killed'), { code: 'EIO', syscall: 'rm' });
    });
    syncBuiltinESMExports();
    try {
      await using store = await openStore(dataDir);
      await (await download(store, asset, target, { force: true })).close();
    } finally {
      deleting.mock.restore();
      syncBuiltinESMExports();
    }
    const hidden = async (): Promise<string[]> =>
      (await readdir(folder.path)).filter((name) => name.startsWith('.'));
    assert.equal((await hidden()).length, 1);
    {
      await using store = await openStore(killed);
      assert.deepEqual(await hidden(), []);
      assert.deepEqual(await readdir(target), ['new']);
      assert.equal((await store.get(asset.root))?.state, 'complete');
    }
  });

  it('never replaces a folder by a file, nor what holds the data folder', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'home', 'data'));
    const [file, tree] = [await remoteFile(bytesOf(3 * CHUNK)), await remoteTree({ a: bytesOf(10) })];
    for (const asset of [file, tree]) {
      await putNodes(store, asset);
      await assert.rejects(
        store.startDownload(asset.root, { path: join(folder.path, 'home'), force: true }),
        {
          code: 'ERR_TARGET_EXISTS',
        },
      );
    }
    assert.deepEqual(await readdir(folder.path), ['home']);
  });

  it('replaces nothing that the data folder is made of, and puts nothing there', async () => {
    await using folder = await tempFolder();
    const data = join(folder.path, 'data');
    await using store = await openStore(data);
    await store.identity();
    const [file, tree] = [await remoteFile(bytesOf(3 * CHUNK)), await remoteTree({ a: bytesOf(10) })];
    await Promise.all([putNodes(store, file), putNodes(store, tree)]);
    const key = await readFile(join(data, 'identity.key'));
    for (const [asset, path] of [
      [file, 'identity.key'],
      [file, 'content/mine'],
      [tree, 'partials'],
      [tree, 'index'],
    ] as const) {
      const starting = store.startDownload(asset.root, { path: join(data, path), force: true });
      await assert.rejects(starting, { code: 'ERR_TARGET_EXISTS' }, path);
    }
    assert.deepEqual(await readFile(join(data, 'identity.key')), key);
    await (await store.startDownload(file.root, { path: join(data, 'beside') })).close();
  });

  it('is done where all of it lies at the target, as it was, and refuses it where something changed it', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    for (const asset of [await remoteFile(bytesOf(3 * CHUNK)), await remoteTree({ a: bytesOf(10) })]) {
      const path = join(folder.path, asset.root.toString());
      await putNodes(store, asset);
      await (await download(store, asset, path)).close();
      const again = await store.startDownload(asset.root, { path });
      assert.equal(again.state, 'complete');
      assert.equal(await again.finish(), path);
      await again.close();
      const forced = await store.startDownload(asset.root, { path, force: true });
      assert.equal(forced.state, 'partial');
      await forced.close();
      await writeFile(asset.manifest.type === 'file' ? path : join(path, 'a'), 'mine');
      await assert.rejects(store.startDownload(asset.root, { path }), { code: 'ERR_TARGET_EXISTS' });
    }
  });

  it('is done where it was linked to its target, and the process killed before it was unlinked', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    const { dataDir, target, partial } = await interrupted(folder.path, asset, [0, 1, 2]);
    await link(partial, target);
    await using store = await openStore(dataDir);
    const stored = await store.open(asset.root);
    assert.equal(stored?.state, 'complete');
    await stored.close();
    assert.deepEqual((await readdir(folder.path)).toSorted(), ['data', 'target']);
    assert.ok(await sameFile(target, bytesOf(3 * CHUNK)));
  });

  it('changes nothing at its target where a run was killed before it was recorded, and somebody went on with it', async () => {
    const file = await remoteFile(bytesOf(3 * CHUNK));
    const tree = await remoteTree({ a: bytesOf(3 * CHUNK), empty: bytesOf(0), link: { link: 'a' } });
    for (const [asset, name] of [[file, ''] as const, [tree, 'empty'] as const, [tree, 'link'] as const]) {
      await using folder = await tempFolder();
      const { dataDir, target, partial } = await interrupted(folder.path, asset, [0, 1, 2]);
      await rename(partial, target);
      const path = join(target, name);
      await appendFile(path, 'mine');
      const before = await readFile(path);
      await using store = await openStore(dataDir);
      const again = store.startDownload(asset.root, { path: target });
      // A link is no content.
      if (name === 'link') await (await again).close();
      else await assert.rejects(again, { code: 'ERR_TARGET_EXISTS' });
      assert.ok(await sameFile(path, before));
    }
  });

  it('does not replace a file that appeared at the target meanwhile', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    const target = join(folder.path, 'file');
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: target });
    await writeChunks(stored, asset);
    await writeFile(target, 'mine');
    const partial = (await readdir(folder.path)).find((name) => name.endsWith('.shoal-part'))!;
    await assert.rejects(stored.finish(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_TARGET_EXISTS');
      assert.ok(error.message.includes(`kept in ${join(folder.path, partial)}`));
      assert.match(error.message, /another target or --force uses it/);
      assert.ok(error.message.includes(`shoal rm ${asset.root.toString()}`));
      return true;
    });
    assert.equal(await readFile(target, 'utf8'), 'mine');
    await rm(target);
    await stored.finish();
    assert.ok(await sameFile(target, bytesOf(3 * CHUNK)));
    await stored.close();
  });

  it('says that the folder of its target does not exist', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    await putNodes(store, asset);
    await assert.rejects(store.startDownload(asset.root, { path: join(folder.path, 'no', 'file') }), {
      code: 'ERR_NOT_FOUND',
      message: /no does not exist/,
    });
  });

  it('takes its chunks along to another target', async () => {
    await using folder = await tempFolder();
    const asset = await remoteTree({ a: bytesOf(6 * CHUNK) });
    const { dataDir } = await interrupted(folder.path, asset, [0, 1, 2]);
    await using store = await openStore(dataDir);
    const other = join(folder.path, 'other');
    const stored = await store.startDownload(asset.root, { path: other });
    assert.equal(stored.have().count, 3);
    assert.equal(stored.path, other);
    await writeChunks(stored, asset);
    await stored.finish();
    await stored.close();
    assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'other']);
  });

  it('goes on to a target when it began inside, and is then not there twice', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    await using store = await openStore(dataDir);
    const asset = await remoteFile(bytesOf(6 * CHUNK));
    const inside = await download(store, asset, undefined);
    await inside.close();
    assert.equal((await readdir(join(dataDir, 'content'))).length, 1);
    const stored = await store.startDownload(asset.root, { path: join(folder.path, 'file') });
    assert.equal(stored.have().isFull, true);
    await stored.finish();
    await stored.close();
    assert.deepEqual(await readdir(join(dataDir, 'content')), []);
    assert.ok(await sameFile(join(folder.path, 'file'), bytesOf(6 * CHUNK)));
  });

  for (const then of ['is removed', 'gets another target', 'is begun anew for another target']) {
    it(`puts back what force had moved aside, when it was killed before the second rename and ${then}`, async () => {
      await using folder = await tempFolder();
      const asset = await remoteTree({ a: bytesOf(2 * CHUNK) });
      const { dataDir, target, partial } = await interrupted(folder.path, asset, [0]);
      const aside = join(folder.path, '.target.shoal-old');
      await mkdir(aside);
      await writeFile(join(aside, 'old'), 'old');
      const { index } = await openDataFolder(dataDir);
      const entry = (await index.loadRecords(() => {})).get(asset.root.toString())!;
      entry.download!.aside = aside;
      await index.putRecord(asset.root.toString(), entry);
      await index.close();
      if (then.startsWith('is begun')) await rm(partial, { recursive: true });
      await using store = await openStore(dataDir);
      if (then === 'is removed') await store.remove(asset.root);
      else await (await download(store, asset, join(folder.path, 'other'))).close();
      assert.deepEqual(await readdir(target), ['old']);
      const others = then === 'is removed' ? [] : ['other'];
      assert.deepEqual((await readdir(folder.path)).sort(), ['data', ...others, 'target']);
    });
  }

  it('refuses a taken target before it hashes what is here', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(6 * CHUNK));
    const { dataDir, target } = await interrupted(folder.path, asset, [0, 1]);
    await writeFile(join(folder.path, 'taken'), 'mine');
    await using store = await openStore(dataDir);
    const onCheck = (): void => assert.fail('hashed');
    await assert.rejects(store.startDownload(asset.root, { path: join(folder.path, 'taken'), onCheck }), {
      code: 'ERR_TARGET_EXISTS',
    });
    const stored = await store.startDownload(asset.root, { path: target });
    assert.equal(stored.have().count, 2);
    await stored.close();
  });

  it('shortens a name that leaves no room for the ending of its partial', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, '鯨'.repeat(85));
    const asset = await remoteFile(bytesOf(2 * CHUNK));
    await (await download(store, asset, target)).close();
    assert.ok(await sameFile(target, bytesOf(2 * CHUNK)));
  });
});
