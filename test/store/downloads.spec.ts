import assert from 'node:assert/strict';
import { promises } from 'node:fs';
import { readdir, readlink, rm, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import fc from 'fast-check';
import { FileWorkers } from '../../src/store/file-workers.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import { makeTree } from '../../src/store/partial-tree.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  readAll,
  remoteFile,
  remoteTree,
  sameFile,
  writeChunks,
} from './assets.ts';
import { tempFolder } from './temp-folder.ts';
import { interrupted } from './interrupted-download.ts';
import { spoiled } from './spoiled-handle.ts';

describe('A download', () => {
  it('grows beside its target under a hidden name, and shows at the target only when it is whole', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const content = bytesOf(3 * CHUNK);
    const asset = await remoteFile(content);
    const target = join(folder.path, 'video.mp4');
    await putNodes(store, asset);
    const stored = await store.startDownload(asset.root, { path: target });
    await writeChunks(stored, asset, [0, 1]);
    const names = (await readdir(folder.path)).filter((name) => name !== 'data');
    assert.match(names.join(), /^\.video\.mp4\.\w{8}\.\w{8}\.shoal-part$/);
    await writeChunks(stored, asset, [2]);
    await stored.finish();
    await stored.close();
    assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'video.mp4']);
    assert.ok(await sameFile(target, content));
    assert.deepEqual(await readdir(join(folder.path, 'data', 'partials')), []);
  });

  it('makes nested folders, unicode names, empty files and folders, and recurring content', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const twice = bytesOf(2 * CHUNK, 7);
    const asset = await remoteTree({
      'пример 🐟': { entries: { ünïcode: bytesOf(CHUNK + 1), deep: { entries: { er: { entries: {} } } } } },
      empty: new Uint8Array(),
      first: twice,
      second: twice,
    });
    const target = join(folder.path, 'tree');
    await (await download(store, asset, target)).close();
    assert.deepEqual((await readdir(target)).sort(), ['empty', 'first', 'second', 'пример 🐟']);
    assert.ok(await sameFile(join(target, 'пример 🐟', 'ünïcode'), bytesOf(CHUNK + 1)));
    assert.equal((await stat(join(target, 'empty'))).size, 0);
    assert.ok((await stat(join(target, 'пример 🐟', 'deep', 'er'))).isDirectory());
    assert.ok(await sameFile(join(target, 'second'), twice));
  });

  it('brings back what any tree of files had', async () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'B', 'ß', '鯨', '.', ' '),
      minLength: 1,
      maxLength: 6,
    });
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(
        name.filter((n) => n !== '.' && n !== '..'),
        fc.oneof({ maxDepth: 2 }, tie('file'), tie('folder')),
        { maxKeys: 4 },
      ),
      file: fc.record({ size: fc.nat(3000), seed: fc.nat(3) }).map(({ size, seed }) => bytesOf(size, seed)),
      folder: tie('tree').map((entries) => ({ entries })),
    }));
    await fc.assert(
      fc.asyncProperty(tree, async (tree) => {
        await using folder = await tempFolder();
        await using store = await openStore(join(folder.path, 'data'));
        const asset = await remoteTree(tree as Parameters<typeof remoteTree>[0]);
        await (await download(store, asset, join(folder.path, 'tree'))).close();
        const record = await store.share(join(folder.path, 'tree'), { chunkSize: CHUNK });
        assert.equal(record.root.toString(), asset.root.toString());
      }),
      { numRuns: 25 },
    );
  });

  it('is complete although what is of no more use cannot be deleted, which is deleted at the next start', async () => {
    await using folder = await tempFolder();
    const logged: string[] = [];
    const log = (_level: string, message: string): void => void logged.push(message);
    const [dataDir, path] = [join(folder.path, 'data'), join(folder.path, 'target')];
    const bitmaps = join(dataDir, 'partials');
    {
      await using store = await openStore(dataDir, { log });
      const asset = await remoteFile(bytesOf(9 * CHUNK));
      await (await download(store, asset, undefined)).close();
      const { rm } = promises;
      const failing = mock.method(promises, 'rm', async (...[what, options]: Parameters<typeof rm>) => {
        if (!String(what).startsWith(dataDir)) return rm(what, options);
        throw Object.assign(new Error('the disk fails'), { code: 'EIO', syscall: 'unlink' });
      });
      syncBuiltinESMExports();
      try {
        const stored = await download(store, asset, path);
        assert.equal(stored.state, 'complete');
        await stored.close();
      } finally {
        failing.mock.restore();
        syncBuiltinESMExports();
      }
    }
    assert.ok(await sameFile(path, bytesOf(9 * CHUNK)));
    assert.match(logged.join(), /is of no more use and cannot be deleted/);
    assert.equal((await readdir(bitmaps)).length, 1);
    assert.equal((await readdir(join(dataDir, 'content'))).length, 1);
    await using _store = await openStore(dataDir);
    assert.deepEqual(await readdir(bitmaps), []);
    assert.deepEqual(await readdir(join(dataDir, 'content')), []);
  });

  it('does not wait for who hashes what is here when it is aborted', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(9 * CHUNK));
    const { dataDir, target } = await interrupted(folder.path, asset, [1, 2, 3]);
    await using store = await openStore(dataDir);
    const hashed = Promise.withResolvers<number>();
    const check = mock.method(Partial.prototype, 'check', () => hashed.promise);
    const opening = store.open(asset.root);
    try {
      const stop = new AbortController();
      const starting = store.startDownload(asset.root, { path: target, signal: stop.signal });
      stop.abort(new Error('stop'));
      await assert.rejects(starting, /stop/);
    } finally {
      check.mock.restore();
      hashed.resolve(0);
    }
    await (await opening)!.close();
    await (await store.startDownload(asset.root, { path: target })).close();
  });

  it('makes no more folders when it is aborted', async () => {
    await using folder = await tempFolder();
    await using workers = new FileWorkers();
    const { manifest } = await remoteTree({ a: { entries: {} }, b: { entries: {} } });
    const base = join(folder.path, 'tree');
    const making = makeTree(base, manifest, 'create', workers, AbortSignal.abort(new Error('stop')));
    await assert.rejects(making, /stop/);
    assert.deepEqual(await readdir(base), []);
  });

  it('is filled from another copy as far as the disk of that gives it', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const asset = await remoteFile(bytesOf(9 * CHUNK));
    const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')];
    await (await download(store, asset, first)).close();
    const real = HandlePool.prototype.use;
    const used = mock.method(
      HandlePool.prototype,
      'use',
      function (this: HandlePool, ...[owner, path, mode, task]: Parameters<typeof real>) {
        const read = (at: number): void => {
          if (path === first && at === 2 * CHUNK)
            throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
        };
        return real.call(this, owner, path, mode, (handle) => task(spoiled(handle, read)));
      },
    );
    try {
      const stored = await store.startDownload(asset.root, { path: second });
      assert.equal(stored.have().count, 8);
      await writeChunks(stored, asset, [2]);
      await stored.finish();
      await stored.close();
    } finally {
      used.mock.restore();
    }
    assert.ok(await sameFile(second, bytesOf(9 * CHUNK)));
  });

  it('is fetched again where the saved copy is gone', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, 'file');
    const asset = await remoteFile(bytesOf(6 * CHUNK));
    await (await download(store, asset, target)).close();
    await rm(target);
    await assert.rejects(store.open(asset.root), { code: 'ERR_FILE_CHANGED' });
    const stored = await store.startDownload(asset.root, { path: target });
    assert.equal(stored.have().count, 0);
    await writeChunks(stored, asset);
    await stored.finish();
    assert.equal(await readAll(stored), 6);
    await stored.close();
  });

  it('leaves nothing behind when it is removed, and keeps a saved copy', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(6 * CHUNK));
    const { dataDir } = await interrupted(folder.path, asset, [0, 1, 2]);
    await using store = await openStore(dataDir);
    await store.remove(asset.root);
    assert.deepEqual(await readdir(folder.path), ['data']);
    assert.deepEqual(await readdir(join(dataDir, 'partials')), []);
    await (await download(store, asset, join(folder.path, 'saved'))).close();
    await store.remove(asset.root);
    assert.ok(await sameFile(join(folder.path, 'saved'), bytesOf(6 * CHUNK)));
  });

  (process.platform === 'linux' ? it : it.skip)('leaves no file open when everything is closed', async () => {
    await using folder = await tempFolder();
    const openBelow = async (): Promise<string[]> => {
      const links = (await readdir('/proc/self/fd')).map((fd) =>
        readlink(`/proc/self/fd/${fd}`).catch(() => ''),
      );
      return (await Promise.all(links)).filter((path) => path.startsWith(folder.path));
    };
    const dataDir = join(folder.path, 'data');
    const store = await openStore(dataDir);
    const [one, two] = [await remoteTree({ a: bytesOf(9 * CHUNK) }), await remoteFile(bytesOf(9 * CHUNK, 2))];
    const done = await download(store, one, join(folder.path, 'one'));
    await readAll(done);
    await putNodes(store, two);
    const handle = await store.startDownload(two.root, { path: join(folder.path, 'two') });
    await writeChunks(handle, two, [1, 2]);
    assert.ok((await openBelow()).some((path) => path.endsWith('.shoal-part')));
    await handle.close();
    await done.close();
    assert.deepEqual(
      (await openBelow()).filter((path) => !path.startsWith(dataDir)),
      [],
    );
    const left = await store.startDownload(two.root, { path: join(folder.path, 'two') });
    await readAll(left);
    await store.close();
    assert.deepEqual(await openBelow(), []);
  });
});
