import assert from 'node:assert/strict';
import { appendFile, readFile, utimes, writeFile } from 'node:fs/promises';
import type { VerifyReport } from '../../src/index.ts';
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
});

async function collectFrom(node: Awaited<ReturnType<TestNodes['start']>>, link: string): Promise<void> {
  const asset = await node.open(link, { timeoutMs: 300 });
  for await (const _ of asset.stream({ timeoutMs: 300 }));
}
