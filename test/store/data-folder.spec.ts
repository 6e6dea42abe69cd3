import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { mock } from 'node:test';
import { BitmapFile } from '../../src/store/bitmap-file.ts';
import { openDataFolder } from '../../src/store/data-folder.ts';
import { isDamage, levelError } from '../../src/store/node-index.ts';
import { openStore, type OpenStoreOptions } from '../../src/store/open-store.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  readAll,
  remoteFile,
  remoteTree,
  writeChunks,
} from './assets.ts';
import { mountTmpfs } from './mounts.ts';
import { tempFolder } from './temp-folder.ts';

const onlyOnPosix = process.platform === 'win32' ? it.skip : it;

/** A data folder that knows one shared file, its record in a table of the index. */
async function sharedOnce(base: string): Promise<{ dataDir: string; original: string }> {
  const dataDir = join(base, 'data');
  const original = join(base, 'original');
  await writeFile(original, bytesOf(800 * CHUNK));
  {
    await using store = await openStore(dataDir);
    await store.share(original, { chunkSize: CHUNK });
  }
  // Opening again moves the log into a table.
  await (await openStore(dataDir)).close();
  return { dataDir, original };
}

async function indexFiles(dataDir: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(join(dataDir, 'index'))).filter((name) => pattern.test(name));
}

function warningsTo(warnings: string[]): OpenStoreOptions {
  return { log: (level, message) => level === 'warn' && warnings.push(message) };
}

describe('The data folder', () => {
  onlyOnPosix('shows nobody else what it knows, though others may look into it', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    await mkdir(dataDir);
    await chmod(dataDir, 0o755);
    await using _store = await openStore(dataDir);
    for (const name of ['index', 'content', 'partials'])
      assert.equal((await stat(join(dataDir, name))).mode & 0o777, 0o700, name);
  });

  onlyOnPosix('is open to its user alone, and so is the identity', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'a', 'data');
    await using store = await openStore(dataDir);
    await store.identity();
    assert.equal((await stat(dataDir)).mode & 0o777, 0o700);
    assert.equal((await stat(join(dataDir, 'identity.key'))).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(dataDir)).sort(), [
      'content',
      'identity.key',
      'index',
      'partials',
      'version',
    ]);
  });

  it('loses at the next start what a kill left of a private key that was being made, of a version, and of input', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    await (await openStore(dataDir)).close();
    const left = ['identity.key.a1b2', 'version.a1b2', 'content/.spool-a1b2'].map((name) =>
      join(dataDir, name),
    );
    for (const path of left) await writeFile(path, 'begun');
    await using _store = await openStore(dataDir);
    for (const path of left) await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  it('belongs to one process, and to the next when that one ends', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const script = new URL('hold-store.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, dataDir], { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    await assert.rejects(openStore(dataDir), {
      code: 'ERR_DATA_DIR_IN_USE',
      message: /in use by another process/,
    });
    child.kill('SIGKILL');
    await exited;
    await (await openStore(dataDir)).close();
  });

  it('lets go of the folder although a download cannot be closed, and tells of that', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const store = await openStore(dataDir);
    for (const seed of [1, 2]) {
      const asset = await remoteFile(bytesOf(3 * CHUNK, seed));
      await putNodes(store, asset);
      await writeChunks(await store.startDownload(asset.root, { path: undefined }), asset, [1]);
    }
    const { close } = BitmapFile.prototype;
    let failed = 0;
    const closing = mock.method(BitmapFile.prototype, 'close', async function (this: BitmapFile) {
      await close.call(this);
      throw new Error(`the disk fails ${++failed}`);
    });
    try {
      await assert.rejects(store.close(), /the disk fails 1/);
    } finally {
      closing.mock.restore();
    }
    assert.equal(failed, 2);
    await (await openStore(dataDir)).close();
  });

  it('can be opened by the same process after an opening that failed late', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    await (await openStore(dataDir)).close();
    // In the place of the mark of damage, which is deleted when the index is open.
    await mkdir(join(dataDir, 'index-damaged'));
    await assert.rejects(openStore(dataDir));
    await rm(join(dataDir, 'index-damaged'), { recursive: true });
    await (await openStore(dataDir)).close();
  });

  it('cannot be opened twice by one process', async () => {
    await using folder = await tempFolder();
    await using _store = await openStore(join(folder.path, 'data'));
    await assert.rejects(openStore(join(folder.path, 'data')), { code: 'ERR_DATA_DIR_IN_USE' });
  });

  it('of another version is refused, and not touched', async () => {
    await using folder = await tempFolder();
    for (const version of ['2\n', 'nonsense'.repeat(100)]) {
      const dataDir = join(folder.path, `data-${version.length}`);
      await mkdir(dataDir);
      await writeFile(join(dataDir, 'version'), version);
      await assert.rejects(openStore(dataDir), {
        code: 'ERR_DATA_DIR_VERSION',
        message: /another folder \(--data\)/,
      });
      assert.deepEqual(await readdir(dataDir), ['version']);
      assert.equal(await readFile(join(dataDir, 'version'), 'utf8'), version);
    }
    const unknown = join(folder.path, 'unknown');
    await mkdir(join(unknown, 'index'), { recursive: true });
    await assert.rejects(openStore(unknown), { code: 'ERR_DATA_DIR_VERSION' });
    assert.deepEqual(await readdir(unknown), ['index']);
    await writeFile(join(unknown, 'version'), '');
    await assert.rejects(openStore(unknown), { code: 'ERR_DATA_DIR_VERSION', message: /has no version/ });
  });

  it('opens where a first start that failed left an empty version', async () => {
    await using folder = await tempFolder();
    await writeFile(join(folder.path, 'version'), '');
    await (await openStore(folder.path)).close();
    assert.equal(await readFile(join(folder.path, 'version'), 'utf8'), '1\n');
  });

  it('has no version rather than half of one where the disk is full, and opens when there is room', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 8);
    if (!mount) this.skip();
    const filler = join(mount.path, 'filler');
    await assert.rejects(writeFile(filler, new Uint8Array(9 << 20)), { code: 'ENOSPC' });
    const dataDir = join(mount.path, 'data');
    await assert.rejects(openStore(dataDir), { code: 'ERR_DISK_FULL' });
    assert.deepEqual(await readdir(dataDir), []);
    await rm(filler);
    await (await openStore(dataDir)).close();
  });

  it('is opened by one of many who start in it at once, and in use for the others', async () => {
    await using folder = await tempFolder();
    for (let n = 0; n < 10; n++) {
      const openings = Array.from({ length: 8 }, () => openStore(join(folder.path, `data-${n}`)));
      const results = await Promise.allSettled(openings);
      const stores = results.filter((result) => result.status === 'fulfilled');
      const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
      for (const { value } of stores) await value.close();
      assert.equal(stores.length, 1);
      assert.deepEqual(new Set(codes), new Set(['ERR_DATA_DIR_IN_USE']));
    }
  });

  it('says in one sentence that a file is in its place, or above it', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, 'x');
    await assert.rejects(openStore(file), {
      code: 'ERR_NOT_A_DIRECTORY',
      message: `the data folder ${file} is not a folder; choose another with --data`,
    });
    for (const below of [join(file, 'data'), join(file, 'a', 'data')]) {
      await assert.rejects(openStore(below), {
        code: 'ERR_NOT_A_DIRECTORY',
        message: `the data folder ${below} cannot be made: ${file} is not a folder; choose another with --data`,
      });
    }
    await symlink('nowhere', join(folder.path, 'dangling'));
    await assert.rejects(openStore(join(folder.path, 'dangling')), { code: 'ERR_NOT_A_DIRECTORY' });
    assert.deepEqual((await readdir(folder.path)).sort(), ['dangling', 'file']);
  });

  (process.platform === 'linux' ? it : it.skip)('ends where no folder can be made', async () => {
    await assert.rejects(openStore('/proc/foo/bar'), {
      code: 'ERR_ACCESS',
      message:
        'the data folder /proc/foo/bar cannot be made: /proc takes no new folders; choose another with --data',
    });
  });

  it('on a read-only file system is refused with advice', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 64);
    if (!mount) this.skip();
    await (await openStore(join(mount.path, 'data'))).close();
    mount.makeReadOnly();
    for (const name of ['data', 'new']) {
      await assert.rejects(openStore(join(mount.path, name)), {
        code: 'ERR_READ_ONLY',
        message: /read-only/,
      });
    }
  });

  it('repairs a damaged index, keeps a copy of it, says so, and has lost nothing', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const asset = await remoteFile(bytesOf(8 * CHUNK));
    const target = join(folder.path, 'file');
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
      const stored = await store.startDownload(asset.root, { path: target });
      await writeChunks(stored, asset, [0, 1, 2]);
      await stored.close();
    }
    const manifest = (await readdir(join(dataDir, 'index'))).find((name) => name.startsWith('MANIFEST'))!;
    await writeFile(join(dataDir, 'index', manifest), 'garbage');
    const warnings: string[] = [];
    await using store = await openStore(dataDir, {
      log: (level, message) => level === 'warn' && warnings.push(message),
    });
    assert.match(warnings.join(), /was damaged and has been repaired.*index\.damaged-1/);
    assert.ok((await readdir(dataDir)).includes('index.damaged-1'));
    const stored = (await store.open(asset.root))!;
    assert.equal(await readAll(stored), 3);
    await stored.close();
  });

  it('takes no room with parts of copies where the disk is too full to repair its index', async function () {
    await using folder = await tempFolder();
    await using mount = await mountTmpfs(join(folder.path, 'mount'), 16);
    if (!mount) this.skip();
    const dataDir = join(mount.path, 'data');
    {
      await using store = await openStore(dataDir);
      for (let n = 0; n < 4; n++) await store.putSetting(`s${n}`, randomBytes(1 << 20));
    }
    // Opening again moves the log into a table.
    await (await openStore(dataDir)).close();
    await writeFile(join(dataDir, 'index-damaged'), '');
    const { bavail, bsize } = await statfs(mount.path);
    const filler = join(mount.path, 'filler');
    await writeFile(filler, new Uint8Array(bavail * bsize - (3 << 20)));
    for (let n = 0; n < 2; n++) await assert.rejects(openStore(dataDir), { code: 'ERR_DISK_FULL' });
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.startsWith('index.')),
      [],
    );
    await rm(filler);
    await using store = await openStore(dataDir);
    assert.equal((await store.getSetting('s3'))?.byteLength, 1 << 20);
  });

  it('reports damage found while running, and repairs it at the next start', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const asset = await remoteTree(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, bytesOf(40 * CHUNK, i)])),
    );
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
    }
    // Opening again moves the log into a table file; its blocks are then damaged behind the index's back.
    await (await openStore(dataDir)).close();
    const tables = (await readdir(join(dataDir, 'index'))).filter((name) => name.endsWith('.ldb'));
    assert.ok(tables.length > 0);
    for (const name of tables) {
      const bytes = await readFile(join(dataDir, 'index', name));
      bytes.fill(7, bytes.length >> 1, (bytes.length >> 1) + 9000);
      await writeFile(join(dataDir, 'index', name), bytes);
    }
    const warnings: string[] = [];
    const log = (level: string, message: string): void => void (level === 'warn' && warnings.push(message));
    const usesIndex = async (): Promise<void> => {
      await using store = await openStore(dataDir, { log });
      for (const { cid } of asset.nodes) await store.getNode(asset.root, cid);
    };
    await assert.rejects(usesIndex(), { code: 'ERR_INDEX_CORRUPT', message: /start it again/ });
    await usesIndex();
    assert.match(warnings.join(), /repaired/);
    await using store = await openStore(dataDir);
    const stored = await download(store, asset, join(folder.path, 'tree'));
    assert.equal(await readAll(stored), asset.manifest.chunkCount);
    await stored.close();
  });

  it('repairs an index one of whose files is gone', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
    }
    await writeFile(join(dataDir, 'index', 'CURRENT'), 'MANIFEST-999999\n');
    await using store = await openStore(dataDir);
    assert.equal((await store.get(asset.root))?.state, 'partial');
    assert.ok((await readdir(dataDir)).includes('index.damaged-1'));
  });

  for (const [what, damage] of [
    ['a table that was cut short', (path: string) => truncate(path, 14_000)],
    ['an empty table', (path: string) => truncate(path, 0)],
    ['a garbled table', (path: string) => writeFile(path, bytesOf(40_000))],
  ] as const) {
    it(`repairs an index with ${what} when it is opened, and says what became of it`, async () => {
      await using folder = await tempFolder();
      const { dataDir, original } = await sharedOnce(folder.path);
      for (const name of await indexFiles(dataDir, /\.ldb$/)) await damage(join(dataDir, 'index', name));
      const warnings: string[] = [];
      {
        await using store = await openStore(dataDir, warningsTo(warnings));
        assert.deepEqual(await Array.fromAsync(store.list()), []);
        assert.equal((await store.share(original)).state, 'shared');
      }
      assert.equal(warnings.length, 1);
      assert.match(warnings.join(), /index\.damaged-1.*lists 0 assets now.*shared or fetched again/);
      await using _again = await openStore(dataDir, warningsTo(warnings));
      assert.equal(warnings.length, 1);
    });
  }

  for (const [what, pattern, listed] of [
    ['its CURRENT', /^CURRENT$/, 1],
    ['its MANIFEST', /^MANIFEST/, 1],
    ['CURRENT and MANIFEST', /^(CURRENT|MANIFEST.*)$/, 1],
    ['everything but its log', /^(CURRENT|MANIFEST.*|.*\.ldb)$/, 0],
    ['every file', /./, 0],
  ] as const) {
    it(`never begins a new index in silence: one that lost ${what} is repaired`, async () => {
      await using folder = await tempFolder();
      const { dataDir } = await sharedOnce(folder.path);
      const before = await indexFiles(dataDir, /\.ldb$/);
      for (const name of await indexFiles(dataDir, pattern)) await rm(join(dataDir, 'index', name));
      const warnings: string[] = [];
      await using store = await openStore(dataDir, warningsTo(warnings));
      assert.equal((await Array.fromAsync(store.list())).length, listed);
      assert.equal(warnings.length, 1);
      assert.match(warnings.join(), new RegExp(`index\\.damaged-1.*lists ${listed} assets? now`));
      const kept = await readdir(join(dataDir, 'index.damaged-1'));
      if (listed > 0) for (const name of before) assert.ok(kept.includes(name));
    });
  }

  it('says that its index is gone altogether', async () => {
    await using folder = await tempFolder();
    const { dataDir } = await sharedOnce(folder.path);
    await rm(join(dataDir, 'index'), { recursive: true });
    const warnings: string[] = [];
    await using store = await openStore(dataDir, warningsTo(warnings));
    assert.deepEqual(await Array.fromAsync(store.list()), []);
    assert.match(warnings.join(), /was gone.*lists 0 assets now/);
  });

  it('tells damage from a disk that fails', () => {
    const thrown = (code: string, text: string): Error =>
      new Error('wrapped', { cause: Object.assign(new Error(text), { code }) });
    for (const reason of [
      'Input/output error',
      'No space left on device',
      'Permission denied',
      'Read-only file system',
      'Too many open files',
    ])
      assert.equal(isDamage(thrown('LEVEL_IO_ERROR', `IO error: /d/000005.ldb: ${reason}`)), false, reason);
    for (const reason of ['Invalid argument', 'No such file or directory'])
      assert.ok(isDamage(thrown('LEVEL_IO_ERROR', `IO error: /Permission denied/5.ldb: ${reason}`)), reason);
    assert.ok(isDamage(thrown('LEVEL_CORRUPTION', 'Corruption: bad block')));
    assert.equal(isDamage(thrown('LEVEL_LOCKED', 'IO error: lock /d/LOCK')), false);
    assert.equal(
      levelError(thrown('LEVEL_IO_ERROR', 'IO error: /d/5.ldb: Input/output error')).code,
      'ERR_IO',
    );
  });

  it('reports a damaged record, and serves the others', async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, 'data');
    const [good, bad] = [await remoteFile(bytesOf(3 * CHUNK)), await remoteFile(bytesOf(3 * CHUNK, 2))];
    {
      await using store = await openStore(dataDir);
      for (const asset of [good, bad]) await putNodes(store, asset);
    }
    const { index } = await openDataFolder(dataDir);
    await index.putRecord(bad.root.toString(), { v: 1 } as never);
    await index.close();
    const errors: string[] = [];
    await using store = await openStore(dataDir, {
      log: (level, message) => level === 'error' && errors.push(message),
    });
    assert.equal((await Array.fromAsync(store.list())).length, 1);
    assert.match(errors.join(), new RegExp(bad.root.toString()));
  });

  it('says that a damaged identity is to be restored, and does not replace it', async () => {
    await using folder = await tempFolder();
    await using store = await openStore(folder.path);
    await writeFile(join(folder.path, 'identity.key'), 'no key');
    await assert.rejects(store.identity(), { code: 'ERR_IDENTITY' });
    assert.equal(await readFile(join(folder.path, 'identity.key'), 'utf8'), 'no key');
  });

  it('drops what an import left behind that was killed', async () => {
    await using folder = await tempFolder();
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    const data = await openDataFolder(folder.path);
    await data.index.putNodes('feed', asset.nodes);
    await writeFile(data.newSpoolPath(), 'half a stream');
    await data.index.close();
    await (await openStore(folder.path)).close();
    const again = await openDataFolder(folder.path);
    assert.deepEqual(await readdir(join(folder.path, 'content')), []);
    assert.equal(await again.index.getNode('feed', asset.root), undefined);
    await again.index.close();
  });

  it('does not open for an aborted caller', async () => {
    await using folder = await tempFolder();
    const reason = new Error('never mind');
    await assert.rejects(openStore(join(folder.path, 'data'), { signal: AbortSignal.abort(reason) }), reason);
    assert.deepEqual(await readdir(folder.path), []);
  });
});
