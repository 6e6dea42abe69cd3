import assert from 'node:assert/strict';
import type { CID } from 'multiformats/cid';
import { cidOf, DAG_PB_CODE } from '../../../src/integrity/parse-cid.ts';
import { AssetTable } from '../../../src/swarm/asset-table.ts';
import type { StoredAsset } from '../../../src/store/store.ts';
import { bytesOf, fileOf, MemoryAsset } from './memory-asset.ts';

const settled = () => new Promise((next) => setImmediate(next));

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
      isNamed: () => true,
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
        table.lookUp(root, root.toString(), 'peer');
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

  it('gives up what is removed from the store: what is open, and what is being looked up', async () => {
    const { name, table, left } = await world();
    await name(2);
    const [first, second] = [...table.values()];
    assert.ok(first && second);
    await table.forget(first.text);
    assert.equal(table.get(first.text), undefined);
    assert.equal(left(), 1);
    table.lookUp(first.root, first.text, 'peer');
    await table.forget(first.text);
    assert.equal(table.get(first.text), undefined);
    assert.ok(table.get(second.text));
  });

  it('looks others up while some are slow to open, of which a few are at a time, and gives up those that wait', async () => {
    const asked: string[] = [];
    const opening: string[] = [];
    const ends: (() => void)[] = [];
    const isSlow = (text: string): boolean => asked.indexOf(text) < 6;
    const table = new AssetTable({
      nowMs: () => 0,
      log: () => {},
      handle: () => {},
      isLacked: () => false,
      isNamed: () => true,
      resolve: async (root, isSlowTurn) => {
        const text = root.toString();
        asked.push(text);
        await settled();
        if (isSlow(text) && !(await isSlowTurn())) return undefined;
        opening.push(text);
        return new Promise((resolve) => ends.push(() => resolve(undefined)));
      },
      onActive: () => {},
    });
    const names = Array.from({ length: 8 }, (_, n) => cidOf(DAG_PB_CODE, new Uint8Array(32).fill(n)));
    const texts = names.map(String);
    for (const root of names) table.lookUp(root, root.toString(), 'peer');
    while (opening.length < 6) await settled();
    // The fifth and the sixth wait for one of the first four, the others for none.
    assert.deepEqual(opening.toSorted(), [0, 1, 2, 3, 6, 7].map((n) => texts[n]).toSorted());
    await table.forget(texts[4] as string);
    ends[0]?.();
    while (opening.length < 7) await settled();
    assert.equal(opening.at(-1), texts[5]);
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
      isNamed: () => true,
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
      table.lookUp(root, root.toString(), 'peer');
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

describe('asset table: roots that peers have named, and that could not be opened then', () => {
  /** A table over a store that answers as the test says, and what it was asked for. */
  function world(resolve: (text: string) => Promise<undefined>) {
    const clock = { nowMs: 0 };
    const asked: string[] = [];
    const named = new Set<string>();
    const table = new AssetTable({
      nowMs: () => clock.nowMs,
      log: () => {},
      handle: () => {},
      isLacked: () => false,
      isNamed: (root) => named.has(root.toString()),
      resolve: (root) => {
        asked.push(root.toString());
        return resolve(root.toString());
      },
      onActive: () => {},
    });
    const name = (root: CID, peer = 'peer'): void => {
      named.add(root.toString());
      table.lookUp(root, root.toString(), peer);
    };
    /** What the store is asked for when the table is told to try again at this time. */
    const retryAt = async (nowMs: number): Promise<string[]> => {
      await settled();
      asked.length = 0;
      clock.nowMs = nowMs;
      table.retry();
      await settled();
      return [...asked];
    };
    return { asked, name, named, retryAt };
  }

  const rootOf = (n: number): CID => {
    const digest = new Uint8Array(32);
    new DataView(digest.buffer).setUint32(0, n);
    return cidOf(DAG_PB_CODE, digest);
  };

  const broken = async (): Promise<undefined> => {
    throw new Error('the disk is not there');
  };

  it('are looked up again while they are named, ever more seldom', async () => {
    const { name, named, retryAt } = world(broken);
    const root = rootOf(1);
    name(root);
    assert.deepEqual(await retryAt(900), []);
    assert.deepEqual(await retryAt(1000), [root.toString()]);
    assert.deepEqual(await retryAt(2900), []);
    assert.deepEqual(await retryAt(3000), [root.toString()]);
    named.clear();
    assert.deepEqual(await retryAt(100_000), []);
  });

  it('are not where the store does not have them', async () => {
    const { name, retryAt } = world(async () => undefined);
    name(rootOf(1));
    assert.deepEqual(await retryAt(100_000), []);
  });

  it('are also where too many others waited', async () => {
    const stuck = Promise.withResolvers<undefined>();
    const { name, asked, retryAt } = world(() => stuck.promise);
    for (let n = 0; n < 4101; n++) name(rootOf(n));
    stuck.resolve(undefined);
    while (asked.length < 4100) await settled();
    assert.deepEqual(await retryAt(0), [rootOf(4100).toString()]);
  });

  it('wait for few of another peer, which names thousands', async () => {
    const stuck = Promise.withResolvers<undefined>();
    const { name, asked } = world(() => stuck.promise);
    for (let n = 0; n < 10_000; n++) name(rootOf(n), 'busy');
    const root = rootOf(10_000);
    name(root, 'other');
    stuck.resolve(undefined);
    await settled();
    const before = asked.indexOf(root.toString());
    assert.ok(before >= 0 && before < 10, String(before));
  });

  it('are looked up a few at a time, in turn', async () => {
    const { name, retryAt } = world(broken);
    for (let n = 0; n < 100; n++) name(rootOf(n));
    await settled();
    const seen = new Set<string>();
    for (let n = 0; n < 4; n++) {
      const some = await retryAt(1000);
      assert.ok(some.length <= 32);
      for (const text of some) seen.add(text);
    }
    assert.equal(seen.size, 100);
  });
});
