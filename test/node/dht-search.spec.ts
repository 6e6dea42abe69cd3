import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { CID } from 'multiformats/cid';
import { DhtSearch } from '../../src/node/dht-search.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

/** A node whose DHT finds nobody, at once. */
const lonely = {
  peerId: { equals: () => false },
  services: { dht: { async *findProviders() {} } },
} as unknown as ShoalLibp2p;

async function walked(search: DhtSearch, walks: number): Promise<void> {
  while (search.walks < walks) await new Promise((resolve) => setImmediate(resolve));
}

describe('the search for providers', () => {
  it('walks the DHT anew for each new member only until the swarm is found', async () => {
    const search = new DhtSearch(lonely, ROOT, () => {});
    const done = new AbortController();
    let isFound = false;
    const running = search.run(
      () => {},
      () => isFound,
      done.signal,
    );
    await walked(search, 1);
    isFound = true;
    for (let i = 0; i < 10; i++) {
      search.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(search.walks, 1);
    isFound = false;
    search.wake();
    await walked(search, 2);
    done.abort();
    await running;
  });

  it('asks nobody while addresses may lead to the swarm, nor when they have', async () => {
    const search = new DhtSearch(lonely, ROOT, () => {});
    const done = new AbortController();
    let tries = 0;
    const running = search.run(
      () => {},
      () => tries > 0,
      done.signal,
      () => tries++ === 0,
    );
    while (tries < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(search.walks, 0);
    done.abort();
    await running;
  });

  it('walks at once where no address is left to try', async () => {
    const search = new DhtSearch(lonely, ROOT, () => {});
    const done = new AbortController();
    const never = (): boolean => false;
    const running = search.run(() => {}, never, done.signal, never);
    await walked(search, 1);
    done.abort();
    await running;
  });

  it('walks ever more seldom once the swarm is found, and anew as soon as it is lost', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const search = new DhtSearch(lonely, ROOT, () => {});
      const done = new AbortController();
      let isFound = true;
      const running = search.run(
        () => {},
        () => isFound,
        done.signal,
      );
      const walksAfter = async (sec: number): Promise<number> => {
        for (let passed = 0; passed < sec; passed++) {
          mock.timers.tick(1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
        return search.walks;
      };
      assert.equal(await walksAfter(20), 0);
      assert.equal(await walksAfter(20), 1);
      assert.equal(await walksAfter(40), 1);
      assert.equal(await walksAfter(20), 2);
      assert.equal(await walksAfter(1000), 5);
      isFound = false;
      assert.equal(await walksAfter(4), 7, 'at once, and again half a second later');
      done.abort();
      await running;
    } finally {
      mock.timers.reset();
    }
  });
});
