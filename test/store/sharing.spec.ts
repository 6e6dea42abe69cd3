import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { promises } from 'node:fs';
import {
  appendFile,
  open,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { mock } from 'node:test';
import { Catalog } from '../../src/store/catalog.ts';
import { NodeIndex } from '../../src/store/node-index.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { ContentSource, Store } from '../../src/store/store.ts';
import {
  CHUNK,
  bytesOf,
  putNodes,
  readAll,
  remoteFile,
  remoteTree,
  sameFile,
  writeChunks,
  writeTree,
} from './assets.ts';
import { tempFolder } from './temp-folder.ts';

const onlyOnPosix = process.platform === 'win32' ? it.skip : it;

async function setUp(): Promise<{ path: string; store: Store } & AsyncDisposable> {
  const folder = await tempFolder();
  const store = await openStore(join(folder.path, 'data'));
  return {
    path: folder.path,
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('Sharing a path', () => {
  it('serves the file where it lies, and stores none of its content', async () => {
    await using t = await setUp();
    const path = join(t.path, 'video.mp4');
    await writeFile(path, bytesOf(200 * CHUNK));
    const seen: number[] = [];
    const record = await t.store.share(path, {
      chunkSize: CHUNK,
      onProgress: (bytes, total) => seen.push(bytes, total!),
    });
    assert.deepEqual([record.name, record.state, record.path], ['video.mp4', 'shared', path]);
    assert.deepEqual([record.bytes, record.bytesHere], [200 * CHUNK, 200 * CHUNK]);
    assert.deepEqual(seen.slice(-2), [200 * CHUNK, 200 * CHUNK]);
    const stored = (await t.store.open(record.root))!;
    assert.equal(await readAll(stored), 200);
    await stored.close();
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
    assert.equal((await remoteFile(bytesOf(200 * CHUNK))).root.toString(), record.root.toString());
  });

  it('takes a tree with unicode names, empty ones, and links that it does not follow', async () => {
    await using t = await setUp();
    await writeFile(join(t.path, 'secret'), 'secret');
    const path = join(t.path, 'tree');
    await writeTree(path, {
      'каталог/鯨.txt': bytesOf(3000),
      'каталог/пусто': new Uint8Array(),
      empty: null,
      out: { link: '../secret' },
      dir: { link: 'каталог' },
    });
    const record = await t.store.share(path, { chunkSize: CHUNK });
    const same = await remoteTree({
      каталог: { entries: { '鯨.txt': bytesOf(3000), пусто: new Uint8Array() } },
      empty: { entries: {} },
      out: { link: '../secret' },
      dir: { link: 'каталог' },
    });
    assert.equal(record.root.toString(), same.root.toString());
    const stored = (await t.store.open(record.root))!;
    assert.equal(await readAll(stored), 3);
    await stored.close();
  });

  it('shares a link itself, not what it leads to', async () => {
    await using t = await setUp();
    await writeFile(join(t.path, 'file'), bytesOf(10));
    await symlink('file', join(t.path, 'link'));
    const record = await t.store.share(join(t.path, 'link'));
    assert.deepEqual([record.type, record.bytes], ['symlink', 0]);
  });

  it('serves a file of one chunk and an empty one', async () => {
    await using t = await setUp();
    for (const size of [0, 1, 1000]) {
      const path = join(t.path, `file-${size}`);
      await writeFile(path, bytesOf(size));
      const record = await t.store.share(path);
      const stored = (await t.store.open(record.root))!;
      assert.equal(await readAll(stored), Math.sign(size));
      await stored.close();
      if (size > 0) assert.deepEqual(await t.store.getNode(record.root, record.root), bytesOf(size));
    }
  });

  for (const [what, change] of [
    ['longer', (path: string) => appendFile(path, 'x')],
    ['gone', (path: string) => rm(path)],
    ['replaced by another of the same size', (path: string) => writeFile(path, bytesOf(9 * CHUNK, 2))],
    [
      'replaced by a link',
      (path: string) => rename(path, `${path}.away`).then(() => symlink(`${path}.away`, path)),
    ],
  ] as const) {
    it(`notices that a file is ${what} when the asset is opened, and names it`, async () => {
      await using t = await setUp();
      const tree = join(t.path, 'tree');
      await writeTree(tree, { a: bytesOf(CHUNK), 'sub/b': bytesOf(9 * CHUNK) });
      const record = await t.store.share(tree, { chunkSize: CHUNK });
      await change(join(tree, 'sub', 'b'));
      await assert.rejects(t.store.open(record.root), {
        code: 'ERR_FILE_CHANGED',
        message: /sub.b is no longer what was shared; share it again/,
      });
    });
  }

  it('notices a change while the asset is open, even one that hides its time', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(4 * CHUNK));
    await utimes(path, 1_000_000_000, 1_000_000_000);
    const record = await t.store.share(path, { chunkSize: CHUNK });
    const stored = (await t.store.open(record.root))!;
    await stored.read(0);
    await writeFile(path, bytesOf(4 * CHUNK, 2));
    await utimes(path, 1_000_000_000, 1_000_000_000);
    await assert.rejects(stored.read(1), { code: 'ERR_FILE_CHANGED' });
    await stored.close();
  });

  it('notices one in a chunk that it has read before and knows by its seal', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    const size = 512 * 1024;
    await writeFile(path, bytesOf(size));
    await utimes(path, 1_000_000_000, 1_000_000_000);
    const record = await t.store.share(path, { chunkSize: size });
    const stored = (await t.store.open(record.root))!;
    const first = await stored.read(0);
    assert.deepEqual((await stored.read(0)).bytes, first.bytes);
    const handle = await open(path, 'r+');
    await handle.write(Uint8Array.of((first.bytes[777] as number) ^ 1), 0, 1, 777);
    await handle.close();
    await utimes(path, 1_000_000_000, 1_000_000_000);
    await assert.rejects(stored.read(0), { code: 'ERR_FILE_CHANGED' });
    await stored.close();
  });

  it('notices that a link took the place of the file while the asset is open', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(4 * CHUNK));
    const record = await t.store.share(path, { chunkSize: CHUNK });
    const stored = (await t.store.open(record.root))!;
    await rename(path, `${path}.away`);
    await symlink(`${path}.away`, path);
    await assert.rejects(stored.read(0), { code: 'ERR_FILE_CHANGED' });
    await stored.close();
  });

  it('notices that a file of one chunk changed', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(100));
    const { root } = await t.store.share(path);
    await writeFile(path, bytesOf(100, 2));
    await assert.rejects(t.store.open(root), { code: 'ERR_FILE_CHANGED' });
    await assert.rejects(t.store.getNode(root, root), { code: 'ERR_FILE_CHANGED' });
  });

  it('serves from the newest place that is still valid', async () => {
    await using t = await setUp();
    const [one, two] = [join(t.path, 'one'), join(t.path, 'two')];
    for (const path of [one, two]) await writeFile(path, bytesOf(4 * CHUNK));
    const { root } = await t.store.share(one, { chunkSize: CHUNK });
    await t.store.share(two, { chunkSize: CHUNK });
    const opened = async (): Promise<string | undefined> => {
      await using stack = new AsyncDisposableStack();
      const stored = (await t.store.open(root))!;
      stack.defer(() => stored.close());
      assert.equal(await readAll(stored), 4);
      return stored.path;
    };
    assert.equal(await opened(), two);
    await rm(two);
    assert.equal(await opened(), one);
    await rm(one);
    await assert.rejects(t.store.open(root), { code: 'ERR_FILE_CHANGED', message: /two/ });
  });

  it('goes on from another place where the newest one changes while it is open', async () => {
    await using t = await setUp();
    const [one, two] = [join(t.path, 'one'), join(t.path, 'two')];
    for (const path of [one, two]) await writeFile(path, bytesOf(4 * CHUNK));
    const { root } = await t.store.share(one, { chunkSize: CHUNK });
    await t.store.share(two, { chunkSize: CHUNK });
    const stored = (await t.store.open(root))!;
    assert.equal(stored.path, two);
    await writeFile(two, bytesOf(4 * CHUNK, 2));
    const chunks = await Promise.all([0, 1, 2, 3].map((chunk) => stored.read(chunk)));
    assert.deepEqual(Buffer.concat(chunks.map(({ bytes }) => bytes)), Buffer.from(bytesOf(4 * CHUNK)));
    assert.equal(stored.path, one);
    await writeFile(one, bytesOf(4 * CHUNK, 3));
    await assert.rejects(stored.read(0), { code: 'ERR_FILE_CHANGED', message: /one/ });
    await stored.close();
    await assert.rejects(stored.read(0), { code: 'ERR_CLOSED' });
  });

  it('stays shared where it is shared again and that cannot be recorded', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(5000));
    const { root } = await t.store.share(path);
    const real = NodeIndex.prototype.putRecord;
    NodeIndex.prototype.putRecord = () => Promise.reject(new Error('no more room'));
    try {
      await assert.rejects(t.store.share(path), /no more room/);
    } finally {
      NodeIndex.prototype.putRecord = real;
    }
    await (await t.store.open(root))!.close();
  });

  it('stays shared from its original while a copy of it is being saved', async () => {
    await using t = await setUp();
    const path = join(t.path, 'one');
    await writeFile(path, bytesOf(4 * CHUNK));
    const { root } = await t.store.share(path, { chunkSize: CHUNK });
    const copy = await t.store.startDownload(root, { path: join(t.path, 'copy') });
    assert.equal(copy.state, 'partial');
    assert.equal((await t.store.get(root))?.state, 'shared');
    await copy.finish();
    await copy.close();
    assert.ok(await sameFile(join(t.path, 'copy'), bytesOf(4 * CHUNK)));
    await t.store.remove(root);
    assert.ok(await sameFile(path, bytesOf(4 * CHUNK)));
  });

  it('fills an unfinished download of the same content from the shared file', async () => {
    await using t = await setUp();
    const asset = await remoteFile(bytesOf(4 * CHUNK));
    await putNodes(t.store, asset);
    const begun = await t.store.startDownload(asset.root, { path: join(t.path, 'copy') });
    await writeChunks(begun, asset, [0]);
    await begun.close();
    await writeFile(join(t.path, 'mine'), bytesOf(4 * CHUNK));
    const record = await t.store.share(join(t.path, 'mine'), { chunkSize: CHUNK });
    assert.deepEqual([record.state, record.path], ['shared', join(t.path, 'mine')]);
    const stored = await t.store.startDownload(asset.root, { path: join(t.path, 'copy') });
    assert.equal(stored.have().isFull, true);
    await stored.finish();
    await stored.close();
    assert.ok(await sameFile(join(t.path, 'copy'), bytesOf(4 * CHUNK)));
  });

  onlyOnPosix('names a pipe that lies in the tree', async () => {
    await using t = await setUp();
    await writeTree(join(t.path, 'tree'), { a: bytesOf(10) });
    execFileSync('mkfifo', [join(t.path, 'tree', 'pipe')]);
    await assert.rejects(t.store.share(join(t.path, 'tree')), {
      code: 'ERR_UNSUPPORTED_FILE',
      message: /pipe/,
    });
    assert.deepEqual(await Array.fromAsync(t.store.list()), []);
  });

  it('says which name is not UTF-8, also of where a link leads, and shares neither as something else', async function () {
    // Elsewhere the file system takes no such name, or gives it in Unicode.
    if (process.platform !== 'linux') this.skip();
    await using t = await setUp();
    const latin1 = (path: string): Buffer => Buffer.from(path, 'latin1');
    await writeTree(join(t.path, 'tree'), { 'really-\ufffd': bytesOf(10) });
    await t.store.share(join(t.path, 'tree'));
    for (const files of [1, 100]) {
      const [file, link] = [join(t.path, `file-${files}`), join(t.path, `link-${files}`)];
      for (const folder of [file, link])
        await writeTree(
          folder,
          Object.fromEntries(Array.from({ length: files }, (_, i) => [`f${i}`, bytesOf(9)])),
        );
      await writeFile(latin1(join(file, 'caf\xe9')), 'x');
      await symlink(latin1('caf\xe9'), join(link, 'to'));
      await assert.rejects(t.store.share(file), {
        code: 'ERR_UNSAFE_NAME',
        message: /caf\uFFFD has a name that is not UTF-8/,
      });
      await assert.rejects(t.store.share(link), {
        code: 'ERR_UNSAFE_NAME',
        message: /to leads to a name that is not UTF-8/,
      });
    }
  });

  it('says what could not be looked at, of the data folder and of a file that was read', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(10));
    const tooMany = async (): Promise<never> => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' });
    };
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    for (const fails of [
      () => mock.method(promises, 'realpath', tooMany),
      () => mock.method(prototype, 'stat', tooMany),
    ]) {
      const failing = fails();
      syncBuiltinESMExports();
      try {
        await assert.rejects(t.store.share(path), { name: 'ShoalError', code: 'ERR_TOO_MANY_FILES' });
      } finally {
        failing.mock.restore();
        syncBuiltinESMExports();
      }
    }
    await t.store.share(path);
  });

  it('says what is missing', async () => {
    await using t = await setUp();
    await assert.rejects(t.store.share(join(t.path, 'nothing')), {
      code: 'ERR_NOT_FOUND',
      message: /nothing/,
    });
  });

  it('never shares the data folder, nor anything around or inside it', async () => {
    await using t = await setUp();
    await t.store.identity();
    await symlink('data', join(t.path, 'alias'));
    for (const path of [t.path, 'data', 'data/identity.key', 'alias/identity.key'].map((p) =>
      join(t.path, p).replace(`${t.path}${t.path}`, t.path),
    )) {
      await assert.rejects(t.store.share(path), { code: 'ERR_DATA_DIR_SHARED', message: /private key/ });
    }
  });

  it('ends when it is aborted, and leaves nothing in the index', async () => {
    await using t = await setUp();
    await writeFile(join(t.path, 'file'), bytesOf(3 << 20));
    const reason = new Error('enough');
    const aborting = new AbortController();
    const sharing = t.store.share(join(t.path, 'file'), {
      signal: aborting.signal,
      onProgress: () => aborting.abort(reason),
    });
    await assert.rejects(sharing, reason);
    assert.deepEqual(await Array.fromAsync(t.store.list()), []);
  });

  it('notices that a file changes while it is read', async () => {
    await using t = await setUp();
    const path = join(t.path, 'file');
    await writeFile(path, bytesOf(3 << 20));
    let once = 0;
    const sharing = t.store.share(path, {
      onProgress: () => void (once++ === 0 && execFileSync('sh', ['-c', 'echo more >> "$0"', path])),
    });
    await assert.rejects(sharing, {
      code: 'ERR_FILE_CHANGED',
      message: /file changed while it was being shared/,
    });
  });
});

describe('Sharing content', () => {
  const source = (pieces: Uint8Array[], more: Partial<ContentSource> = {}): ContentSource => ({
    content: (async function* () {
      yield* pieces;
    })(),
    ...more,
  });

  it('gives the same name whatever the pieces are', async () => {
    await using t = await setUp();
    const whole = await t.store.share(source([bytesOf(5000)]), { chunkSize: CHUNK });
    const parts = await t.store.share(source([bytesOf(5000).subarray(0, 1), bytesOf(5000).subarray(1)]), {
      chunkSize: CHUNK,
    });
    assert.equal(whole.root.toString(), parts.root.toString());
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), [whole.root.toString()]);
  });

  it('refuses content of another length than was said', async () => {
    await using t = await setUp();
    for (const size of [4999, 5001])
      await assert.rejects(t.store.share(source([bytesOf(5000)], { size })), { code: 'ERR_SIZE_MISMATCH' });
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });

  it('refuses a chunk size that is none before it reads anything', async () => {
    await using t = await setUp();
    const content = (async function* (): AsyncGenerator<Uint8Array> {
      yield assert.fail('it is read');
    })();
    await assert.rejects(t.store.share({ content }, { chunkSize: 1000 }), { code: 'ERR_CHUNK_SIZE' });
  });

  it('refuses text: it would be shared as nothing', async () => {
    await using t = await setUp();
    const content = Readable.from(['text']) as AsyncIterable<never>;
    await assert.rejects(t.store.share({ content }), { code: 'ERR_SHARE_SOURCE' });
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });

  it('passes on what the content throws, and keeps nothing of it', async () => {
    await using t = await setUp();
    const reason = new Error('source broke');
    const content = (async function* () {
      yield bytesOf(1000);
      throw reason;
    })();
    await assert.rejects(t.store.share({ content }), reason);
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });

  it('ends when it is aborted while nothing comes, and says so to the source', async () => {
    await using t = await setUp();
    const reason = new Error('stop');
    const stop = new AbortController();
    let isTold = false;
    const content: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setImmediate(() => stop.abort(reason));
          return new Promise(() => {});
        },
        return: async () => {
          isTold = true;
          return { done: true, value: undefined };
        },
      }),
    };
    await assert.rejects(t.store.share({ content }, { signal: stop.signal }), reason);
    assert.ok(isTold);
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });

  it('has ended, and left nothing, when its store has been closed', async () => {
    await using t = await setUp();
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    const content = (async function* (): AsyncGenerator<Uint8Array> {
      yield bytesOf(1000);
      begun.resolve();
      await new Promise(() => {});
    })();
    const sharing = t.store.share({ content }, { signal: stop.signal });
    sharing.catch(() => {});
    await begun.promise;
    stop.abort(new Error('stop'));
    await t.store.close();
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
    await assert.rejects(sharing, /stop/);
  });

  it('keeps nothing of it where the record cannot be written', async () => {
    await using t = await setUp();
    const real = NodeIndex.prototype.putRecord;
    NodeIndex.prototype.putRecord = () => Promise.reject(new Error('no more room'));
    try {
      await assert.rejects(t.store.share(source([bytesOf(5000)])), /no more room/);
    } finally {
      NodeIndex.prototype.putRecord = real;
    }
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });

  it('is deleted at the next start where the process was killed before its record, and no other content is', async () => {
    await using folder = await tempFolder();
    const content = join(folder.path, 'content');
    let root: string;
    {
      await using store = await openStore(folder.path);
      root = (await store.share(source([bytesOf(5000)]))).root.toString();
    }
    const [killed, unknown] = [`${root.slice(0, -1)}a`, `${root.slice(0, -1)}b`];
    // As it was when the process was killed; `unknown` has no mark: its record may have been lost.
    for (const name of [killed, unknown, `.placing-${killed}`, `.placing-${root}`])
      await writeFile(join(content, name), 'x');
    await using store = await openStore(folder.path);
    assert.deepEqual((await readdir(content)).sort(), [root, unknown].sort());
    for await (const { root: listed } of store.list())
      assert.equal(await readAll((await store.open(listed))!), 1);
  });

  it('is kept at the next start where the index was damaged, as its record may have been lost', async () => {
    await using folder = await tempFolder();
    const [content, index] = [join(folder.path, 'content'), join(folder.path, 'index')];
    let root: string;
    {
      await using store = await openStore(folder.path);
      root = (await store.share(source([bytesOf(5000)]))).root.toString();
    }
    const lost = `${root.slice(0, -1)}a`;
    for (const name of [lost, `.placing-${lost}`]) await writeFile(join(content, name), 'x');
    const manifest = (await readdir(index)).find((name) => name.startsWith('MANIFEST'))!;
    await writeFile(join(index, manifest), 'garbage');
    await (await openStore(folder.path)).close();
    assert.ok((await readdir(folder.path)).includes('index.damaged-1'));
    assert.deepEqual((await readdir(content)).sort(), [root, lost].sort());
  });

  it('gives the record it had though its asset is removed at once', async () => {
    await using t = await setUp();
    const content = bytesOf(3 * CHUNK);
    const { root } = await t.store.share({ content: Readable.from([content]) });
    await t.store.remove(root);
    const { put } = Catalog.prototype;
    const removed = Promise.withResolvers<void>();
    const putting = mock.method(
      Catalog.prototype,
      'put',
      async function (this: Catalog, ...args: Parameters<typeof put>) {
        await put.apply(this, args);
        removed.resolve(t.store.remove(root));
      },
    );
    const { rm } = promises;
    const deleting = mock.method(promises, 'rm', async (...args: Parameters<typeof rm>) => {
      // A slow disk: what was taken in is deleted last.
      if (String(args[0]).includes('.spool-')) await removed.promise;
      await rm(...args);
    });
    try {
      syncBuiltinESMExports();
      const record = await t.store.share({ content: Readable.from([content]), name: 'gone' });
      assert.deepEqual([record.root, record.name, record.bytes], [root, 'gone', content.byteLength]);
      assert.equal(await t.store.get(root), undefined);
    } finally {
      deleting.mock.restore();
      putting.mock.restore();
      syncBuiltinESMExports();
    }
  });

  it('is shared although what is of no more use cannot be deleted, and what failed before that is told', async () => {
    await using t = await setUp();
    const content = (): AsyncIterable<Uint8Array> => Readable.from([bytesOf(10)]);
    const deleting = mock.method(promises, 'rm', async () => {
      throw Object.assign(new Error('the disk fails'), { code: 'EIO', syscall: 'rm' });
    });
    syncBuiltinESMExports();
    try {
      const noting = mock.method(NodeIndex.prototype, 'putRecord', async () => {
        throw new Error('no room for a record');
      });
      await assert.rejects(t.store.share({ content: content() }), /no room for a record/);
      noting.mock.restore();
      assert.equal((await t.store.share({ content: content() })).bytes, 10);
    } finally {
      deleting.mock.restore();
      syncBuiltinESMExports();
    }
  });

  it('is deleted with its asset', async () => {
    await using t = await setUp();
    const { root } = await t.store.share(source([bytesOf(5000)]));
    await t.store.remove(root);
    assert.deepEqual(await readdir(join(t.path, 'data', 'content')), []);
  });
});
