import assert from 'node:assert/strict';
import type { ActiveAsset, AssetTable } from '../../../src/swarm/asset-table.ts';
import { UnreadChunks } from '../../../src/swarm/unread-chunks.ts';
import { bytesOf, fileOf, MemoryAsset } from './memory-asset.ts';

describe('chunks that could not be read', () => {
  async function world(chunkSize = 64 << 10) {
    const stored = MemoryAsset.full(await fileOf(bytesOf(200_000), chunkSize));
    const asset = { key: 1, stored, have: stored.have() } as unknown as ActiveAsset;
    const clock = { nowMs: 0 };
    const active = new Set([asset]);
    const found: number[] = [];
    const lost: number[] = [];
    const readable: ActiveAsset[] = [];
    const chunks = new UnreadChunks({
      nowMs: () => clock.nowMs,
      assets: { byKey: () => (active.has(asset) ? asset : undefined) } as unknown as AssetTable,
      handle: (event) => {
        if (event.type === 'found') found.push(event.chunk);
        if (event.type === 'upload-failed') lost.push(event.chunk);
      },
      onReadable: (active) => void readable.push(active),
    });
    const retryAt = async (nowMs: number): Promise<number[]> => {
      clock.nowMs = nowMs;
      await chunks.retry();
      return found.splice(0);
    };
    return { stored, asset, active, chunks, lost, readable, retryAt };
  }

  it('are found again when one of them can be read, and tried ever more rarely until then', async () => {
    const { stored, asset, chunks, readable, retryAt } = await world();
    stored.changed.add(1);
    chunks.add(asset, 1, 'peer');
    chunks.add(asset, 2, 'peer');
    assert.deepEqual(await retryAt(1000), []);
    stored.changed.clear();
    assert.deepEqual(await retryAt(2999), []);
    assert.deepEqual(readable, []);
    assert.deepEqual(await retryAt(3000), [1, 2]);
    assert.deepEqual(readable, [asset]);
    assert.deepEqual(await retryAt(600_000), []);
  });

  it('are not found where the download has lost them, or the asset was left', async () => {
    const { stored, asset, active, chunks, retryAt } = await world();
    stored.here.clear(1);
    chunks.add(asset, 1, 'peer');
    assert.deepEqual(await retryAt(1000), []);
    chunks.add(asset, 2, 'peer');
    active.clear();
    assert.deepEqual(await retryAt(600_000), []);
    active.add(asset);
    assert.deepEqual(await retryAt(1_200_000), []);
  });

  it('are found again though another one never can be read', async () => {
    const { stored, asset, chunks, retryAt } = await world();
    stored.changed.add(1);
    chunks.add(asset, 1, 'peer');
    chunks.add(asset, 2, 'peer');
    assert.deepEqual(await retryAt(1000), []);
    assert.deepEqual(await retryAt(3000), [1, 2]);
  });

  it('are all that there are where so many fail one after another, until one can be read again', async () => {
    const { stored, asset, chunks, lost, retryAt } = await world(1024);
    const all = Array.from({ length: stored.manifest.chunkCount }, (_, chunk) => chunk);
    for (const chunk of all) stored.changed.add(chunk);
    for (let chunk = 0; chunk < 63; chunk++) chunks.add(asset, chunk, 'peer');
    chunks.wasRead(asset);
    for (let chunk = 0; chunk < 63; chunk++) chunks.add(asset, chunk, 'peer');
    assert.deepEqual(lost, []);
    chunks.add(asset, 63, 'peer');
    await chunks.whenReadable(asset);
    assert.deepEqual(lost, all);
    assert.deepEqual(await retryAt(1000), []);
    stored.changed.clear();
    assert.deepEqual(await retryAt(3000), all);
  });

  it('are no more than those where an unfinished download has them: the others would be fetched anew', async () => {
    const { stored, asset, chunks, lost } = await world(1024);
    Object.assign(stored, { state: 'partial' });
    for (let chunk = 0; chunk < 100; chunk++) chunks.add(asset, chunk, 'peer');
    await chunks.whenReadable(asset);
    assert.deepEqual(lost, []);
  });
});
