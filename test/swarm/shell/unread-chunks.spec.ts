import assert from 'node:assert/strict';
import type { ActiveAsset, AssetTable } from '../../../src/swarm/asset-table.ts';
import { UnreadChunks } from '../../../src/swarm/unread-chunks.ts';
import { bytesOf, fileOf, MemoryAsset } from './memory-asset.ts';

describe('chunks that could not be read', () => {
  async function world() {
    const stored = MemoryAsset.full(await fileOf(bytesOf(200_000)));
    const asset = { key: 1, stored } as unknown as ActiveAsset;
    const clock = { nowMs: 0 };
    const active = new Set([asset]);
    const found: number[] = [];
    const readable: ActiveAsset[] = [];
    const chunks = new UnreadChunks({
      nowMs: () => clock.nowMs,
      assets: { byKey: () => (active.has(asset) ? asset : undefined) } as unknown as AssetTable,
      handle: (event) => void (event.type === 'found' && found.push(event.chunk)),
      onReadable: (active) => void readable.push(active),
    });
    const retryAt = async (nowMs: number): Promise<number[]> => {
      clock.nowMs = nowMs;
      await chunks.retry();
      return found.splice(0);
    };
    return { stored, asset, active, chunks, readable, retryAt };
  }

  it('are found again when one of them can be read, and tried ever more rarely until then', async () => {
    const { stored, asset, chunks, readable, retryAt } = await world();
    stored.changed.add(1);
    chunks.add(asset, 1);
    chunks.add(asset, 2);
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
    chunks.add(asset, 1);
    assert.deepEqual(await retryAt(1000), []);
    chunks.add(asset, 2);
    active.clear();
    assert.deepEqual(await retryAt(600_000), []);
    active.add(asset);
    assert.deepEqual(await retryAt(1_200_000), []);
  });
});
