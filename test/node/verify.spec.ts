import assert from 'node:assert/strict';
import { appendFile, mkdir, open, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VerifyReport } from '../../src/index.ts';
import { openDataFolder } from '../../src/store/data-folder.ts';
import { openStore } from '../../src/store/open-store.ts';
import { bytesOf, CHUNK, putNodes, remoteFile, writeChunks } from '../store/assets.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

const SIZE = 1024 * 1024 + 17;

const touch = (path: string): Promise<void> => utimes(path, 1_000_000_000, 1_000_000_000);

describe('verify', () => {
  let nodes: TestNodes;

  beforeEach(async () => {
    nodes = await TestNodes.create();
  });

  afterEach(() => nodes[Symbol.asyncDispose]());

  it('finds a file good that was only touched, and has it served again', async () => {
    const path = nodes.path('original');
    await writeFile(path, pseudoRandomBytes(SIZE));
    const [a, b] = [await nodes.start(), await nodes.start()];
    const { cid, link } = await a.share(path);
    await touch(path);
    await assert.rejects(collectFrom(b, link), { code: 'ERR_NO_PROVIDERS' });
    const seen: { bytes: number; total: number }[] = [];
    const reports = await Array.fromAsync(a.verify(cid, { onProgress: (progress) => seen.push(progress) }));
    assert.deepEqual(reports, [
      { cid, name: 'original', path, bytesGood: SIZE, bytesBad: 0, problems: [] } satisfies VerifyReport,
    ]);
    assert.deepEqual(seen.at(-1), { bytes: SIZE, total: SIZE });
    await (await b.open(link)).save(nodes.path('copy'));
    assert.deepEqual(await readFile(nodes.path('copy')), await readFile(path));
  });

  it('has a download that goes on fetch again what it finds damaged', async () => {
    const path = nodes.path('original');
    await writeFile(path, pseudoRandomBytes(SIZE));
    const [a, b] = [await nodes.start({ uploadBytesPerSec: 256 * 1024 }), await nodes.start()];
    const { cid, link } = await a.share(path, { chunkSize: 64 * 1024 });
    const enough = Promise.withResolvers<void>();
    const saving = (await b.open(link)).save(nodes.path('copy'), {
      onProgress: ({ bytes }) => bytes > 300_000 && enough.resolve(),
    });
    await enough.promise;
    const partial = (await readdir(nodes.folder)).find((name) => name.endsWith('.shoal-part'));
    const file = await open(nodes.path(partial as string), 'r+');
    // All of it that is here by now.
    for (let at = 0; at < SIZE; at += 64 * 1024) await file.write('x', at);
    await file.close();
    const [report] = await Array.fromAsync(b.verify(cid));
    assert.ok((report?.bytesBad ?? 0) > 0);
    await saving;
    assert.deepEqual(await readFile(nodes.path('copy')), await readFile(path));
  });

  it('counts what is bad, names the file, and goes on with the others', async () => {
    const [good, longer, small] = [nodes.path('good'), nodes.path('longer'), nodes.path('small')];
    await writeFile(good, pseudoRandomBytes(SIZE, 1));
    await writeFile(longer, pseudoRandomBytes(SIZE, 2));
    await writeFile(small, 'small');
    const a = await nodes.start();
    for (const path of [good, longer, small]) await a.share(path);
    await appendFile(longer, 'x');
    await writeFile(small, 'other');
    const byPath = new Map((await Array.fromAsync(a.verify())).map((report) => [report.path, report]));
    assert.deepEqual(byPath.get(good)?.problems, []);
    assert.equal(byPath.get(good)?.bytesGood, SIZE);
    assert.equal(byPath.get(longer)?.bytesGood, SIZE);
    assert.match(byPath.get(longer)?.problems.join() ?? '', /longer is no longer what was shared/);
    assert.deepEqual([byPath.get(small)?.bytesGood, byPath.get(small)?.bytesBad], [0, 5]);
    assert.match(byPath.get(small)?.problems.join() ?? '', /small is no longer what was shared/);
  });

  it('tells of what is not served since the index lost its nodes', async () => {
    const [dataDir, path] = [nodes.path('data'), nodes.path('original')];
    await writeFile(path, pseudoRandomBytes(SIZE));
    {
      await using store = await openStore(dataDir);
      await store.share(path);
    }
    const { index } = await openDataFolder(dataDir);
    for (const { nodes: set } of (await index.loadRecords(() => {})).values()) await index.deleteNodes(set);
    await index.close();
    const node = await nodes.start({ dataDir });
    const [report] = await Array.fromAsync(node.verify());
    assert.deepEqual([report?.bytesGood, report?.bytesBad], [0, SIZE]);
    assert.match(report?.problems.join() ?? '', /original is put together, .* share it again/);
  });

  it('tells of an unfinished download whose disk is away, which goes on when the disk is back', async () => {
    const [dataDir, disk] = [nodes.path('data'), nodes.path('disk')];
    await mkdir(disk);
    const asset = await remoteFile(bytesOf(3 * CHUNK));
    const cid = asset.root.toString();
    {
      await using store = await openStore(dataDir);
      await putNodes(store, asset);
      const stored = await store.startDownload(asset.root, { path: join(disk, 'file') });
      await writeChunks(stored, asset, [0, 1]);
    }
    await rename(disk, nodes.path('away'));
    const a = await nodes.start({ dataDir });
    const [report] = await Array.fromAsync(a.verify(cid));
    assert.deepEqual([report?.bytesGood, report?.bytesBad], [0, 2 * CHUNK]);
    assert.match(report?.problems.join() ?? '', /is not there; check that its disk is mounted/);
    await rename(nodes.path('away'), disk);
    const [again] = await Array.fromAsync(a.verify(cid));
    assert.deepEqual([again?.bytesGood, again?.problems], [2 * CHUNK, []]);
  });
});

async function collectFrom(node: Awaited<ReturnType<TestNodes['start']>>, link: string): Promise<void> {
  const asset = await node.open(link, { timeoutMs: 300 });
  for await (const _ of asset.stream({ timeoutMs: 300 }));
}
