import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStore } from '../../src/store/open-store.ts';
import { CHUNK, killAsset, readAll, writeChunks } from './assets.ts';
import { tempFolder } from './temp-folder.ts';

/** Runs the writer, kills it after `lines` lines of its output, and returns the chunks it said were safe. */
async function writeUntilKilled(
  dataDir: string,
  target: string,
  kind: string,
  lines: number,
): Promise<Set<number>> {
  const script = new URL('kill-writer.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, dataDir, target, kind, String(lines)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const safe = new Set<number>();
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\d+$/.test(line)) safe.add(Number(line));
    if (++seen === lines) child.kill('SIGKILL');
  }
  await exited;
  return safe;
}

describe('A download killed with SIGKILL', () => {
  for (const kind of ['file', 'folder', 'many files'] as const) {
    it(`has every chunk of a ${kind} that was written, and none that was not, whenever it is killed`, async () => {
      await using folder = await tempFolder();
      const [dataDir, target] = [join(folder.path, 'data'), join(folder.path, 'target')];
      const asset = await killAsset(kind);
      const safe = new Set<number>();
      for (const lines of [1, 2, 17, 60, 131, 250]) {
        for (const chunk of await writeUntilKilled(dataDir, target, kind, lines)) safe.add(chunk);
        await using store = await openStore(dataDir);
        const listed = (await store.get(asset.root))!.bytesHere;
        const stored = (await store.open(asset.root))!;
        const have = stored.have();
        // Every chunk has the same size, so that the mean is exact.
        assert.equal(listed, have.count * CHUNK);
        for (const chunk of safe) assert.ok(have.has(chunk), `chunk ${chunk} was lost`);
        assert.equal(await readAll(stored), have.count);
        await stored.close();
      }
      await using store = await openStore(dataDir);
      const stored = await store.startDownload(asset.root, { path: target });
      await writeChunks(stored, asset);
      await stored.finish();
      assert.equal(await readAll(stored), asset.manifest.chunkCount);
      await stored.close();
      assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'target']);
    });

    it(`is complete when it is killed while a ${kind} is put in its place`, async () => {
      await using folder = await tempFolder();
      const [dataDir, target] = [join(folder.path, 'data'), join(folder.path, 'target')];
      const asset = await killAsset(kind);
      // The lines are "ready" and one a chunk: the last chunk's is followed by nothing but `finish`.
      await writeUntilKilled(dataDir, target, kind, asset.manifest.chunkCount + 1);
      await using store = await openStore(dataDir);
      const stored = await store.startDownload(asset.root, { path: target, force: true });
      assert.equal(stored.have().isFull, true);
      await stored.finish({ force: true });
      assert.equal(await readAll(stored), asset.manifest.chunkCount);
      await stored.close();
      assert.deepEqual((await readdir(folder.path)).sort(), ['data', 'target']);
    });
  }
});
