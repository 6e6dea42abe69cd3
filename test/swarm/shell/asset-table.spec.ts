import assert from 'node:assert/strict';
import { cidOf, DAG_PB_CODE } from '../../../src/integrity/parse-cid.ts';
import { AssetTable } from '../../../src/swarm/asset-table.ts';
import type { StoredAsset } from '../../../src/store/store.ts';
import { bytesOf, fileOf, MemoryAsset } from './memory-asset.ts';

describe('asset table', () => {
  /** A table on a clock of the test's, and a way to have the store open one asset after another. */
  async function world() {
    const clock = { nowMs: 0 };
    const file = await fileOf(bytesOf(1));
    const open: string[] = [];
    const lacked = new Set<number>();
    let opened = (): void => {};
    const table = new AssetTable({
      nowMs: () => clock.nowMs,
      log: () => {},
      handle: () => {},
      isLacked: (key) => lacked.has(key),
      resolve: async (root) => {
        const asset: StoredAsset = MemoryAsset.full(file);
        return new Proxy(asset, {
          get: (target, name) => {
            if (name === 'manifest') return { root, chunkCount: 0 };
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      },
      onActive: ({ text }) => {
        open.push(text);
        opened();
      },
    });
    let count = 0;
    const name = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        const digest = new Uint8Array(32);
        new DataView(digest.buffer).setUint32(0, count++);
        const root = cidOf(DAG_PB_CODE, digest);
        const { promise, resolve } = Promise.withResolvers<void>();
        opened = resolve;
        table.lookUp(root, root.toString());
        await promise;
        await Promise.resolve();
      }
    };
    return { clock, name, lacked, table, left: () => open.filter((text) => table.get(text)).length };
  }

  it('closes assets that nobody joined beyond 256, when none has used them for a minute', async () => {
    const { clock, name, left } = await world();
    await name(300);
    assert.equal(left(), 300);
    clock.nowMs = 60_000;
    await name(1);
    assert.equal(left(), 256);
  });

  it('keeps those that a connected peer lacks, though it got nothing of them for a minute', async () => {
    const { clock, name, lacked, table, left } = await world();
    await name(300);
    for (let key = 1; key <= 20; key++) lacked.add(key);
    clock.nowMs = 60_000;
    await name(1);
    assert.equal(left(), 256);
    for (const key of lacked) assert.ok(table.byKey(key), `asset ${key} was closed`);
  });

  it('keeps no more than 1024 of them open, however lately they were used', async () => {
    const { name, left } = await world();
    await name(1100);
    assert.equal(left(), 1024);
  });

  it('asks the store seldom for a root that it could not open, however often peers name it', async () => {
    let nowMs = 0;
    let lookups = 0;
    let looked = (): void => {};
    const table = new AssetTable({
      nowMs: () => nowMs,
      log: () => looked(),
      handle: () => {},
      isLacked: () => false,
      resolve: async () => {
        lookups++;
        throw new Error('the original is gone');
      },
      onActive: () => {},
    });
    const root = cidOf(DAG_PB_CODE, new Uint8Array(32));
    const nameAt = async (atMs: number): Promise<number> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      nowMs = atMs;
      looked = resolve;
      const before = lookups;
      table.lookUp(root, root.toString());
      // The look-up itself begins at once or not at all.
      if (lookups > before) await promise;
      await new Promise((next) => setImmediate(next));
      return lookups;
    };
    assert.equal(await nameAt(0), 1);
    assert.equal(await nameAt(900), 1);
    assert.equal(await nameAt(1000), 2);
    assert.equal(await nameAt(2900), 2);
    assert.equal(await nameAt(3000), 3);
    for (let n = 0; n < 20; n++) await nameAt(100_000 * (n + 1));
    const before = lookups;
    assert.equal(await nameAt(2_000_000 + 59_000), before);
    assert.equal(await nameAt(2_000_000 + 60_000), before + 1);
  });
});
