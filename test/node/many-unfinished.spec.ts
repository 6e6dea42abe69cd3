import { writeFile } from 'node:fs/promises';
import { mock } from 'node:test';
import { openStore } from '../../src/store/open-store.ts';
import { Partial } from '../../src/store/partial.ts';
import { bytesOf, putNodes, remoteFile, writeChunks } from '../store/assets.ts';
import { TestNodes } from './test-nodes.ts';

describe('a node with large unfinished downloads', () => {
  it('serves what it has whole while what is here of those is hashed for who asked for them', async () => {
    await using nodes = await TestNodes.create();
    const dataDir = nodes.path('data');
    const unfinished = await Promise.all(
      Array.from({ length: 6 }, (_, i) => remoteFile(bytesOf(9000, i + 1))),
    );
    {
      await using store = await openStore(dataDir);
      for (const [i, asset] of unfinished.entries()) {
        await putNodes(store, asset);
        const stored = await store.startDownload(asset.root, { path: nodes.path(`part-${i}`) });
        await writeChunks(stored, asset, [0, 1]);
        await stored.close();
      }
    }
    await writeFile(nodes.path('whole'), bytesOf(300_000));
    const first = await nodes.start({ dataDir });
    const { cid } = await first.share(nodes.path('whole'));
    await first.close();
    const hours = Promise.withResolvers<number>();
    const begun = Promise.withResolvers<void>();
    let hashing = 0;
    const real = Partial.prototype.check;
    const check = mock.method(Partial.prototype, 'check', function (this: Partial) {
      if (!this.base.includes('part-')) return real.call(this);
      if (++hashing === 4) begun.resolve();
      return hours.promise;
    });
    try {
      const a = await nodes.start({ dataDir });
      await a.seed();
      const b = await nodes.start({ peers: a.addresses });
      const waiting = unfinished.map(async ({ root }) =>
        (await b.open(root.toString())).save(nodes.path(root.toString())).catch(() => {}),
      );
      await begun.promise;
      await (await b.open(cid)).save(nodes.path('copy'));
      hours.resolve(0);
      await b.close();
      await Promise.allSettled(waiting);
    } finally {
      hours.resolve(0);
      check.mock.restore();
    }
  });
});
