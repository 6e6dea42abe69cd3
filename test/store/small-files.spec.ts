import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { runFileJob } from '../../src/store/file-jobs.ts';
import { FileWorkers } from '../../src/store/file-workers.ts';
import { openStore } from '../../src/store/open-store.ts';
import { forEachPart, SmallFiles } from '../../src/store/small-files.ts';
import { SourceWalk } from '../../src/store/walk-source.ts';
import { importTree, type SourceEntry } from '../../src/chunking/import-tree.ts';
import {
  bytesOf,
  CHUNK,
  download,
  putNodes,
  readAll,
  remoteTree,
  sameFile,
  writeChunks,
  writeTree,
  type RemoteTree,
  type Tree,
} from './assets.ts';
import { tempFolder } from './temp-folder.ts';

/** More than a job takes, small and large ones, empty ones, equal ones, folders and links among them. */
function manyFiles(): Tree {
  const tree: Tree = { 'sub/empty folder': null, link: { link: 'f1' }, large: bytesOf(200_000, 9) };
  for (let i = 0; i < 300; i++) tree[`f${i}`] = bytesOf(i % 7 === 0 ? 0 : 20 + (i % 50), i);
  for (let i = 0; i < 300; i++) tree[`sub/g${i}`] = bytesOf(3000, i % 5);
  return tree;
}

function nested(tree: Tree): RemoteTree {
  const root: RemoteTree = {};
  for (const [path, content] of Object.entries(tree)) {
    const parts = path.split('/');
    let folder = root;
    for (const part of parts.slice(0, -1)) {
      folder[part] ??= { entries: {} };
      folder = (folder[part] as { entries: RemoteTree }).entries;
    }
    folder[parts.at(-1)!] = content ?? { entries: {} };
  }
  return root;
}

async function rootOf(base: string, workers: FileWorkers, chunkSize?: number): Promise<string> {
  const source: SourceEntry = await new SourceWalk(
    { isThisFolder: () => false },
    base,
    workers,
    chunkSize,
  ).root();
  return (await importTree(source, { onNode: () => {}, chunkSize })).cid.toString();
}

describe('Many small files', () => {
  for (const chunkSize of [undefined, CHUNK]) {
    it(`have the CID that one after another gives them, in chunks of ${chunkSize ?? 'their own size'}`, async () => {
      await using folder = await tempFolder();
      const base = join(folder.path, 'tree');
      await writeTree(base, manyFiles());
      const asset = await remoteTree(nested(manyFiles()), chunkSize ?? 1 << 20);
      await using workers = new FileWorkers();
      assert.equal(workers.size, 0);
      const found = await rootOf(base, workers, chunkSize);
      assert.ok(workers.size > 0, 'no thread was made');
      await using none = new FileWorkers({ url: 'none' });
      assert.equal(await rootOf(base, none, chunkSize), found);
      // The reference cuts all files by one size; the large one alone differs at the default.
      if (chunkSize !== undefined) assert.equal(found, asset.root.toString());
    });
  }

  it('are saved and served again, byte for byte', async () => {
    await using folder = await tempFolder();
    const asset = await remoteTree(nested(manyFiles()));
    await using store = await openStore(join(folder.path, 'data'));
    const target = join(folder.path, 'target');
    await using stored = { ...(await wrap(download(store, asset, target))) };
    assert.equal(await readAll(stored.asset), asset.manifest.chunkCount);
    for (const [path, content] of Object.entries(manyFiles()))
      if (content instanceof Uint8Array) assert.ok(await sameFile(join(target, path), content), path);
    assert.deepEqual(await readdir(join(target, 'sub', 'empty folder')), []);
  });

  it('name the one that changed when they are read, and are not served', async () => {
    await using folder = await tempFolder();
    const base = join(folder.path, 'tree');
    await writeTree(base, manyFiles());
    await using store = await openStore(join(folder.path, 'data'));
    const { root } = await store.share(base);
    const stored = (await store.open(root))!;
    await writeFile(join(base, 'f20'), bytesOf(40, 99));
    const { entries } = stored.manifest;
    const chunk = entries.flatMap((entry) =>
      entry.type === 'file' && entry.path[0] === 'f20' ? [...entry.leaves] : [],
    )[0]!;
    await assert.rejects(stored.read(chunk), { code: 'ERR_FILE_CHANGED', message: /f20 is no longer/ });
    await rm(join(base, 'f20'));
    await assert.rejects(stored.read(chunk), { code: 'ERR_FILE_CHANGED', message: /f20 is no longer/ });
    await stored.close();
    await assert.rejects(store.open(root), { code: 'ERR_FILE_CHANGED', message: /f20 is no longer/ });
  });

  it('are known to have changed by their time alone', async () => {
    await using folder = await tempFolder();
    const base = join(folder.path, 'tree');
    await writeTree(base, manyFiles());
    await using store = await openStore(join(folder.path, 'data'));
    const { root } = await store.share(base);
    await utimes(join(base, 'sub', 'g7'), 1, 1);
    await assert.rejects(store.open(root), { code: 'ERR_FILE_CHANGED', message: /g7 is no longer/ });
    const renewed = (await store.recheck(root))!;
    assert.deepEqual([renewed.problems, renewed.bytesBad, renewed.isRenewed], [[], 0, true]);
    await writeFile(join(base, 'f9'), bytesOf(29, 98));
    await rm(join(base, 'f10'));
    const { problems, bytesBad } = (await store.recheck(root))!;
    assert.deepEqual(problems.map((text) => /f\d+/.exec(text)?.[0]).sort(), ['f10', 'f9']);
    assert.equal(bytesBad, 29 + 30);
  });

  it('are never read through a link that was put in the place of one', async () => {
    await using folder = await tempFolder();
    const base = join(folder.path, 'tree');
    await writeTree(base, manyFiles());
    await using store = await openStore(join(folder.path, 'data'));
    const { root } = await store.share(base);
    const stored = (await store.open(root))!;
    const moved = join(folder.path, 'moved');
    await rename(join(base, 'f1'), moved);
    await symlink(moved, join(base, 'f1'));
    const entry = stored.manifest.entries.find(({ path }) => path[0] === 'f1')!;
    assert.ok(entry.type === 'file');
    await assert.rejects(stored.read(entry.leaves[0]!), { code: 'ERR_FILE_CHANGED' });
    await stored.close();
  });

  it('go on where they stopped: what was damaged meanwhile is fetched again, and a link is not followed', async () => {
    await using folder = await tempFolder();
    const [dataDir, target] = [join(folder.path, 'data'), join(folder.path, 'target')];
    const asset = await remoteTree(nested(manyFiles()));
    const outside = join(folder.path, 'outside');
    await writeFile(outside, 'not to be touched');
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
      const stored = await store.startDownload(asset.root, { path: target });
      await writeChunks(stored, asset);
      await stored.close();
    }
    const partial = join(
      folder.path,
      (await readdir(folder.path)).find((name) => name.endsWith('.shoal-part'))!,
    );
    await truncate(join(partial, 'f3'), 1);
    await writeFile(join(partial, 'sub', 'g4'), bytesOf(3000, 77));
    await using store = await openStore(dataDir);
    const stored = await store.startDownload(asset.root, { path: target });
    // `g4` recurs: a chunk is here only where all its places are right.
    assert.equal(stored.have().count, asset.manifest.chunkCount - 4);
    await rm(join(partial, 'f3'));
    await symlink(outside, join(partial, 'f3'));
    await assert.rejects(writeChunks(stored, asset));
    assert.equal(await readFile(outside, 'utf8'), 'not to be touched');
    await rm(join(partial, 'f3'));
    await writeFile(join(partial, 'f3'), '');
    await writeChunks(stored, asset);
    await stored.finish();
    assert.ok(await sameFile(join(target, 'f3'), bytesOf(23, 3)));
    assert.ok(await sameFile(join(target, 'sub', 'g4'), bytesOf(3000, 4)));
    await stored.close();
  });

  it('are left alone by the time that a failure, or a stop, is told', async () => {
    await using workers = new FileWorkers({ max: 2 });
    const stop = new AbortController();
    const slow = Promise.withResolvers<void>();
    const begun: number[] = [];
    let isTold = false;
    const items = Array.from({ length: 2000 }, (_, n) => n);
    const going = forEachPart(
      items,
      workers,
      async (_, first) => {
        begun.push(first);
        if (first > 0) return slow.promise;
        await new Promise(setImmediate);
        stop.abort(new Error('stopped'));
        throw new Error('failed');
      },
      stop.signal,
    ).finally(() => (isTold = true));
    const told = assert.rejects(going, { message: 'failed' });
    // The others that had begun are still at work.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    assert.equal(isTold, false);
    slow.resolve();
    await told;
    assert.equal(begun.length, workers.parallel + 1);
  });
});

async function wrap<T extends { close(): Promise<void> }>(
  opening: Promise<T>,
): Promise<{ asset: T } & AsyncDisposable> {
  const asset = await opening;
  return { asset, [Symbol.asyncDispose]: () => asset.close() };
}

describe('Threads that work on files', () => {
  it('do what the same job does here', async () => {
    await using folder = await tempFolder();
    const paths = Array.from({ length: 5 }, (_, i) => join(folder.path, `f${i}`));
    for (const [i, path] of paths.slice(1).entries()) await writeFile(path, bytesOf(i * 100, i));
    await mkdir(paths[0]!);
    const offsets = new Float64Array(5);
    const job = { kind: 'read', paths, offsets, sizes: new Uint32Array(5).fill(100) } as const;
    await using workers = new FileWorkers();
    const there = await workers.run(job);
    assert.deepEqual(there, runFileJob(job));
    assert.deepEqual(there.failures.map(({ at }) => at), [0]); // prettier-ignore
    assert.ok(workers.size > 0);
  });

  it('have the heap collected after a burst of work, but not after each of many', async () => {
    let collections = 0;
    await using workers = new FileWorkers({ collect: () => collections++ });
    const none = { kind: 'read', paths: [], offsets: new Float64Array(), sizes: new Uint32Array() } as const;
    for (let burst = 0; burst < 3; burst++) {
      await workers.run(none);
      while (workers.size > 0 || collections === 0) await setTimeout(20);
      // One that came too often would come a moment after the threads are gone.
      await setTimeout(100);
    }
    assert.equal(collections, 1);
  });

  it('end when they are closed; what comes later is done by the caller', async () => {
    await using folder = await tempFolder();
    const workers = new FileWorkers();
    const small = new SmallFiles(workers);
    const path = join(folder.path, 'f');
    await writeFile(path, 'before');
    assert.equal(Buffer.from((await small.read(path, 0, 6)).bytes).toString(), 'before');
    await workers.close();
    assert.equal(workers.size, 0);
    await small.write(path, path, 0, Buffer.from('after!'));
    assert.equal(await readFile(path, 'utf8'), 'after!');
    assert.equal(workers.size, 0);
  });

  it('are done without where a thread cannot start or dies', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'f');
    await writeFile(path, 'content');
    const missing = pathToFileURL(join(folder.path, 'missing.js'));
    const dying = join(folder.path, 'dying.mjs');
    await writeFile(
      dying,
      `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(1));`,
    );
    for (const url of ['none' as const, missing, pathToFileURL(dying)]) {
      await using workers = new FileWorkers({ max: 2, url });
      const small = new SmallFiles(workers);
      const reads = await Promise.all([0, 3].map((at) => small.read(path, at, 4)));
      assert.deepEqual(
        reads.map(({ bytes }) => Buffer.from(bytes).toString()),
        ['cont', 'tent'],
      );
      assert.equal(workers.parallel, 1);
      await assert.rejects(small.read(join(folder.path, 'none'), 0, 1), { code: 'ENOENT', syscall: 'open' });
    }
  });

  it('hash a large file part by part, and notice where it changed after it was looked at', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'large');
    await writeFile(path, bytesOf(1 << 20));
    // Sparse beyond: large, and not on the disk.
    await truncate(path, (256 << 20) + 5);
    await using workers = new FileWorkers();
    const walk = new SourceWalk({ isThisFolder: () => false }, path, workers, undefined);
    const entry = await walk.root();
    assert.ok(entry.type === 'file' && entry.leaves);
    const here = await importTree({ ...entry, leaves: undefined }, { onNode: () => {} });
    assert.equal(await rootOf(path, workers), here.cid.toString());
    await truncate(path, 256 << 20);
    await assert.rejects(importTree(entry, { onNode: () => {} }), { code: 'ERR_FILE_CHANGED' });
  });
});
