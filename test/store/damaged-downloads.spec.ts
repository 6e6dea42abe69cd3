import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  appendFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { mock } from 'node:test';
import { ShoalError } from '../../src/errors.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import { MANY_FILES } from '../../src/store/small-files.ts';
import type { StoredAsset } from '../../src/store/store.ts';
import {
  bytesOf,
  CHUNK,
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

describe('A download whose files were changed', () => {
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

  it('writes through no link, and into no folder, in the place of one of many small files', async () => {
    const names = Array.from({ length: MANY_FILES }, (_, i) => `f${i}`);
    const asset = await remoteTree(Object.fromEntries(names.map((name, i) => [name, bytesOf(CHUNK, i)])));
    for (const what of ['link', 'folder']) {
      await using folder = await tempFolder();
      const victim = join(folder.path, 'victim');
      await writeFile(victim, 'precious');
      const { dataDir, target, partial } = await interrupted(folder.path, asset, [0, 1, 2]);
      await rm(join(partial, 'f5'));
      if (what === 'link') await symlink(victim, join(partial, 'f5'));
      else await mkdir(join(partial, 'f5'));
      await using store = await openStore(dataDir);
      const stored = await store.startDownload(asset.root, { path: target });
      await writeChunks(stored, asset);
      await stored.finish();
      await stored.close();
      assert.equal(await readFile(victim, 'utf8'), 'precious');
      assert.ok((await lstat(join(target, 'f5'))).isFile());
      assert.ok(await sameFile(join(target, 'f5'), bytesOf(CHUNK, 5)));
    }
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

  /** What another program may do to one file of an unfinished download. */
  const INTRUSIONS: Record<string, (path: string) => Promise<void>> = {
    'writes to it': async (path) => {
      const handle = await open(path, 'r+');
      await handle.write(new Uint8Array(2 * CHUNK), 0, 2 * CHUNK, CHUNK);
      await handle.utimes(1_700_000_000, 1_700_000_000);
      await handle.close();
    },
    'cuts it off': (path) => truncate(path, CHUNK),
    'appends to it': (path) => appendFile(path, 'more'),
    'puts another file in its place': async (path) => {
      await writeFile(`${path}.new`, new Uint8Array((await stat(path)).size));
      await utimes(`${path}.new`, 1_700_000_000, 1_700_000_000);
      await rename(`${path}.new`, path);
    },
  };

  for (const [what, intrude] of Object.entries(INTRUSIONS)) {
    for (const when of ['before the last chunk came', 'when all had come', 'and the process was killed']) {
      for (const files of [1, 70]) {
        it(`is at its target as it should be where another program ${what}, ${when} (${files} files)`, async () => {
          await using folder = await tempFolder();
          const contents = Array.from({ length: files }, (_, n) => bytesOf(4 * CHUNK, n + 1));
          const tree = Object.fromEntries(contents.map((content, n) => [`f${n}`, content]));
          const asset = files > 1 ? await remoteTree(tree) : await remoteFile(contents[0]!);
          const all = Array.from({ length: asset.manifest.chunkCount }, (_, n) => n);
          const isLate = when === 'when all had come';
          const { dataDir, target, partial } = await interrupted(
            folder.path,
            asset,
            when === 'and the process was killed' ? all.slice(0, -1) : [],
          );
          await using store = await openStore(dataDir);
          const stored = await store.startDownload(asset.root, { path: target });
          await writeChunks(stored, asset, isLate ? all : all.slice(0, -1));
          await intrude(files > 1 ? join(partial, 'f0') : partial);
          if (!isLate) await writeChunks(stored, asset, all.slice(-1));
          // What came back as it was is no reason to fetch anything.
          if (what !== 'appends to it') {
            await assert.rejects(stored.finish(), { code: 'ERR_FILE_CHANGED' });
            assert.equal(existsSync(target), false);
            const lost = all.filter((chunk) => !stored.have().has(chunk));
            assert.ok(lost.length >= 2 && lost.length <= 4, `${lost.length} lost`);
            await writeChunks(stored, asset, lost);
          }
          await stored.finish();
          for (const [n, content] of contents.entries())
            assert.ok(await sameFile(files > 1 ? join(target, `f${n}`) : target, content), `f${n}`);
          assert.equal(await readAll(stored), all.length);
          await stored.close();
          assert.equal((await store.open(asset.root))?.state, 'complete');
        });
      }
    }
  }

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
});
