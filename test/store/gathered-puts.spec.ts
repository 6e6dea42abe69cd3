import assert from 'node:assert/strict';
import { GatheredPuts } from '../../src/store/gathered-puts.ts';
import { KeyLock } from '../../src/store/key-lock.ts';

describe('GatheredPuts', () => {
  it('puts in one go what comes while the key is held, and begins anew after it', async () => {
    const lock = new KeyLock();
    const puts = new GatheredPuts<number>(lock);
    const seen: number[][] = [];
    const put = async (items: readonly number[]): Promise<void> => void seen.push([...items]);
    const held = Promise.withResolvers<void>();
    const holding = lock.run('a', () => held.promise);
    const first = [1, 2, 3].map((item) => puts.add('a', item, put));
    await puts.add('b', 9, put);
    held.resolve();
    await Promise.all([holding, ...first]);
    await puts.add('a', 4, put);
    assert.deepEqual(seen, [[9], [1, 2, 3], [4]]);
  });

  it('tells all whose items were in it that it failed, and nobody after them', async () => {
    const puts = new GatheredPuts<number>(new KeyLock());
    const fail = (): Promise<void> => Promise.reject(new Error('full'));
    const outcomes = await Promise.allSettled([puts.add('a', 1, fail), puts.add('a', 2, fail)]);
    assert.deepEqual(outcomes.map(({ status }) => status), ['rejected', 'rejected']); // prettier-ignore
    await puts.add('a', 3, async () => {});
  });
});
