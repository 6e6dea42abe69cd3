import assert from 'node:assert/strict';
import { existsSync, promises } from 'node:fs';
import {
  cp,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock } from 'node:test';
import fc from 'fast-check';
import { ShoalError } from '../../src/errors.ts';
import { openDataFolder } from '../../src/store/data-folder.ts';
import { FileWorkers } from '../../src/store/file-workers.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import { makeTree } from '../../src/store/partial-tree.ts';
import type { StoredAsset } from '../../src/store/store.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  readAll,
  remoteFile,
  remoteLink,
  remoteTree,
  sameFile,
  writeChunks,
  type RemoteAsset,
} from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';

/** An interrupted download: where its data folder, its target and its partial are. */
async function interrupted(base: string, asset: RemoteAsset, chunks: number[]) {
  const [dataDir, target] = [join(base, 'data'), join(base, 'target')];
  await using store = await openStore(dataDir);
  await putNodes(store, asset);
  const stored = await store.startDownload(asset.root, { path: target });
  await writeChunks(stored, asset, chunks);
  await stored.close();
  const name = (await readdir(base)).find((name) => name.endsWith('.shoal-part'))!;
  return {
    dataDir,
    target,
    partial: join(base, name),
    bitmap: join(dataDir, 'partials', `${asset.root.toString()}.bits`),
  };
}

/** A handle that tells where it is read, or throws there. */
function spoiled(handle: FileHandle, read: (at: number) => void): FileHandle {
  return new Proxy(handle, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'read') read(args[3] as number);
        return value.apply(target, args);
      };
    },
  });
}

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

  it('drops chunks that were tampered with, and keeps the others', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(10 * CHUNK));
    const { dataDir, partial } = await interrupted(folder.path, asset, [0, 1, 2, 3, 4]);
    const bytes = await readFile(partial);
    bytes[2 * CHUNK + 5]! ^= 1;
    await writeFile(partial, bytes);
    const warnings: string[] = [];
    await using store = await openStore(dataDir, {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    const stored = (await store.open(asset.root))!;
    assert.equal(stored.have().count, 4);
    assert.equal(stored.have().has(2), false);
    await stored.close();
    assert.deepEqual(warnings, [
      `${CHUNK} bytes of the unfinished download ${partial} were damaged or missing and will be fetched again`,
    ]);
    await (await store.open(asset.root))!.close();
    assert.equal(warnings.length, 1);
  });

  it('fetches anew what its disk does not give, unless that gives nothing, and takes the rest along', async () => {
    await using folder = await tempFolder();
    const content = bytesOf(9 * CHUNK);
    const asset = await remoteFile(content);
    const { dataDir, target } = await interrupted(folder.path, asset, [1, 2, 3]);
    let bad = [1, 2, 3];
    const real = HandlePool.prototype.use;
    const used = mock.method(
      HandlePool.prototype,
      'use',
      function (this: HandlePool, ...[owner, path, mode, task]: Parameters<typeof real>) {
        const read = (at: number): void => {
          if (!bad.includes(at / CHUNK)) return;
          throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
        };
        return real.call(this, owner, path, mode, (handle) => task(spoiled(handle, read)));
      },
    );
    try {
      await using store = await openStore(dataDir);
      await assert.rejects(store.startDownload(asset.root, { path: target }), { code: 'ERR_IO' });
      bad = [2];
      const other = join(folder.path, 'other');
      const stored = await store.startDownload(asset.root, { path: other });
      assert.deepEqual(
        [0, 1, 2, 3].map((chunk) => stored.have().has(chunk)),
        [false, true, false, true],
      );
      bad = [];
      await writeChunks(stored, asset);
      await stored.finish();
      await stored.close();
      assert.ok(await sameFile(other, content));
    } finally {
      used.mock.restore();
    }
  });

  it('drops chunks that were cut off', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(10 * CHUNK));
    const { dataDir, partial } = await interrupted(folder.path, asset, [0, 1, 8, 9]);
    await truncate(partial, 3 * CHUNK);
    const warnings: string[] = [];
    await using store = await openStore(dataDir, {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    const stored = (await store.open(asset.root))!;
    assert.equal(stored.have().count, 2);
    assert.match(warnings.join(), new RegExp(`^${2 * CHUNK} bytes of the unfinished download`));
    await writeChunks(stored, asset);
    await stored.finish();
    assert.equal(await readAll(stored), 10);
    await stored.close();
  });

  it('believes no bit of a bitmap that claims too much, is too long, or is gone', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(10 * CHUNK));
    const { dataDir, bitmap } = await interrupted(folder.path, asset, [3]);
    for (const [bytes, count] of [
      [new Uint8Array(50).fill(255), 1],
      [new Uint8Array(0), 0],
    ] as const) {
      await writeFile(bitmap, bytes);
      await using store = await openStore(dataDir);
      const stored = (await store.open(asset.root))!;
      assert.equal(stored.have().count, count);
      await stored.close();
    }
    await rm(bitmap);
    await using store = await openStore(dataDir);
    const stored = (await store.open(asset.root))!;
    assert.equal(stored.have().count, 0);
    await stored.close();
  });

  it('starts afresh where its partial is gone', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(10 * CHUNK));
    const { dataDir, target, partial } = await interrupted(folder.path, asset, [3]);
    await rm(partial);
    await using store = await openStore(dataDir);
    const stored = await store.startDownload(asset.root, { path: target });
    assert.equal(stored.have().count, 0);
    await writeChunks(stored, asset);
    await stored.finish();
    assert.equal(await readAll(stored), 10);
    await stored.close();
  });

  it('writes through no link that was put in the place of its partial or of a folder in it', async () => {
    await using folder = await tempFolder();
    const victim = join(folder.path, 'victim');
    await mkdir(victim);
    await writeFile(join(victim, 'f'), 'precious');
    const asset = await remoteTree({ d: { entries: { f: bytesOf(4 * CHUNK) } }, g: bytesOf(CHUNK, 3) });
    const { dataDir, target, partial } = await interrupted(folder.path, asset, [0]);
    await rm(join(partial, 'd'), { recursive: true });
    await symlink(victim, join(partial, 'd'));
    await using store = await openStore(dataDir);
    const stored = await store.startDownload(asset.root, { path: target });
    await writeChunks(stored, asset);
    await stored.finish();
    await stored.close();
    assert.equal(await readFile(join(victim, 'f'), 'utf8'), 'precious');
    assert.ok((await lstat(join(target, 'd'))).isDirectory());
    assert.ok(await sameFile(join(target, 'd', 'f'), bytesOf(4 * CHUNK)));
  });

  for (const code of ['ERR_TOO_MANY_FILES', 'ERR_ACCESS', 'ERR_IO', 'ERR_DISK_FULL']) {
    it(`is not begun anew for another target because it could not be used for a moment (${code})`, async () => {
      await using folder = await tempFolder();
      const asset = await remoteFile(bytesOf(9 * CHUNK));
      const { dataDir } = await interrupted(folder.path, asset, [1, 2, 3]);
      await using store = await openStore(dataDir);
      const path = join(folder.path, 'other');
      const check = mock.method(Partial.prototype, 'check', async () => {
        throw new ShoalError(code, 'not now');
      });
      try {
        await assert.rejects(store.startDownload(asset.root, { path }), {
          code,
          message: /stays as it is: not now\. Try again/,
        });
      } finally {
        check.mock.restore();
      }
      const stored = await store.startDownload(asset.root, { path });
      assert.equal(stored.have().count, 3);
      await stored.close();
    });
  }

  it('says that it is gone where something deleted it before it could be put at its target', async () => {
    await using folder = await tempFolder();
    const { store, stored } = await finishing(folder.path, (_stored, partial) => rm(partial));
    await using _store = store;
    await assert.rejects(stored.finish(), {
      code: 'ERR_NOT_FOUND',
      message: /the unfinished download .* is not there/,
    });
    await stored.close();
  });

  /** A whole download that is finished, with something that happens while it is brought to the disk. */
  async function finishing(
    folder: string,
    meanwhile: (stored: StoredAsset, partial: string) => Promise<void>,
  ) {
    const asset = await remoteFile(bytesOf(9 * CHUNK));
    const store = await openStore(join(folder, 'data'));
    await putNodes(store, asset);
    const path = join(folder, 'target');
    const stored = await store.startDownload(asset.root, { path });
    await writeChunks(stored, asset);
    const partial = (await readdir(folder)).find((name) => name.endsWith('.shoal-part')) as string;
    const seal = mock.method(Partial.prototype, 'seal', async function (this: Partial) {
      seal.mock.restore();
      const sealed = await this.seal();
      await meanwhile(stored, join(folder, partial));
      return sealed;
    });
    return { asset, store, stored, path };
  }

  /** Something changes the third chunk, and a peer is to be sent it. */
  async function damage(stored: StoredAsset, partial: string): Promise<void> {
    const handle = await open(partial, 'r+');
    await handle.write(new Uint8Array(CHUNK), 0, CHUNK, 2 * CHUNK);
    await handle.close();
    await assert.rejects(stored.read(2), { code: 'ERR_FILE_CHANGED' });
  }

  it('is not put at its target where a chunk of it was found damaged while it was brought to the disk', async () => {
    await using folder = await tempFolder();
    const { asset, store, stored, path } = await finishing(folder.path, damage);
    await using _store = store;
    await assert.rejects(stored.finish(), { code: 'ERR_INCOMPLETE' });
    assert.equal(existsSync(path), false);
    await writeChunks(stored, asset, [2]);
    await stored.finish();
    assert.ok(await sameFile(path, bytesOf(9 * CHUNK)));
    await stored.close();
  });

  it('is served where a chunk of it was fetched anew while it was brought to the disk', async () => {
    await using folder = await tempFolder();
    const { asset, store, stored, path } = await finishing(folder.path, async (live, partial) => {
      await damage(live, partial);
      await writeChunks(live, asset, [2]);
    });
    await using _store = store;
    await stored.finish();
    assert.ok(await sameFile(path, bytesOf(9 * CHUNK)));
    assert.equal(await readAll(stored), 9);
    await stored.close();
    await (await store.open(asset.root))?.close();
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
      await writeFile(asset.manifest.type === 'file' ? path : join(path, 'a'), 'mine');
      await assert.rejects(store.startDownload(asset.root, { path }), { code: 'ERR_TARGET_EXISTS' });
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

  it('notices a partial that is changed while it is open, and takes the chunk again', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(6 * CHUNK));
    const { dataDir, partial } = await interrupted(folder.path, asset, [0, 1, 2]);
    await using store = await openStore(dataDir);
    const stored = (await store.open(asset.root))!;
    await writeFile(partial, new Uint8Array(6 * CHUNK));
    await assert.rejects(stored.read(1), { code: 'ERR_FILE_CHANGED' });
    assert.equal(stored.have().has(1), false);
    await writeChunks(stored, asset, [1]);
    assert.deepEqual((await stored.read(1)).bytes, (await asset.chunk(1)).bytes);
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

  it('shortens a name that leaves no room for the ending of its partial', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, '鯨'.repeat(85));
    const asset = await remoteFile(bytesOf(2 * CHUNK));
    await (await download(store, asset, target)).close();
    assert.ok(await sameFile(target, bytesOf(2 * CHUNK)));
  });
});
