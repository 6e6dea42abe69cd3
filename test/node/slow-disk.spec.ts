import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { mock } from 'node:test';
import { Partial } from '../../src/store/partial.ts';
import { pseudoRandomBytes, TestNodes } from './test-nodes.ts';

describe('a download whose disk takes longer than anybody is waited for', () => {
  it('goes on', async () => {
    await using nodes = await TestNodes.create();
    const bytes = pseudoRandomBytes(1_000_000);
    await writeFile(nodes.path('file'), bytes);
    const { link } = await (await nodes.start()).share(nodes.path('file'));
    const real = Partial.prototype.write;
    const slow = mock.method(
      Partial.prototype,
      'write',
      async function (this: Partial, ...args: Parameters<typeof real>) {
        if (args[0] === 3) await setTimeout(5000);
        return real.apply(this, args);
      },
    );
    try {
      const asset = await (await nodes.start()).open(link);
      const { path } = await asset.save(nodes.path('copy'), { timeoutMs: 2000 });
      assert.ok((await readFile(path)).equals(bytes));
    } finally {
      slow.mock.restore();
    }
  });
});
