import assert from 'node:assert/strict';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mock } from 'node:test';
import { Partial } from '../../src/store/partial.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

describe('an unfinished download that another program writes to', () => {
  it('is fetched again where it was changed, when it is to be put at its target', async () => {
    await using nodes = await TestNodes.create();
    const { bytes, link } = await share(nodes);
    const target = nodes.path('copy');
    using _intruder = intruding(target, 1);
    const b = await nodes.start();
    let fetched = 0;
    b.addEventListener('asset:chunk', ({ detail }) => void (fetched += detail.bytes));
    const phases: string[] = [];
    const asset = await b.open(link);
    const saved = await asset.save(target, { onProgress: ({ phase }) => void phases.push(phase) });
    assert.ok((await readFile(saved.path)).equals(bytes));
    assert.ok(
      fetched > bytes.byteLength && fetched < 1.5 * bytes.byteLength,
      `${fetched} bytes were fetched`,
    );
    assert.equal(saved.sources[0]?.bytes, fetched);
    assert.equal(phases.indexOf('done'), phases.length - 1);
  });

  it('ends with an error where that happens again and again', async () => {
    await using nodes = await TestNodes.create();
    const { link } = await share(nodes);
    const target = nodes.path('copy');
    using _intruder = intruding(target, Infinity);
    const asset = await (await nodes.start()).open(link);
    await assert.rejects(asset.save(target), {
      code: 'ERR_FILE_CHANGED',
      message: /something changed the unfinished download .*copy/,
    });
  });
});

async function share(nodes: TestNodes) {
  const path = nodes.path('file');
  const bytes = pseudoRandomBytes(3_000_000);
  await writeFile(path, bytes);
  const { link } = await (await nodes.start()).share(path);
  return { bytes, link };
}

/** Each time that all has come, something writes to the partial. */
function intruding(target: string, times: number): Disposable {
  const real = Partial.prototype.seal;
  let left = times;
  const seal = mock.method(Partial.prototype, 'seal', async function (this: Partial) {
    if (left-- > 0) {
      const name = (await readdir(dirname(target))).find((found) => found.endsWith('.shoal-part')) as string;
      const handle = await open(join(dirname(target), name), 'r+');
      await handle.write(new Uint8Array(1000), 0, 1000, 1_000_000);
      await handle.utimes(1_700_000_000, 1_700_000_000);
      await handle.close();
    }
    return real.call(this);
  });
  return { [Symbol.dispose]: () => seal.mock.restore() };
}
