import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { DhtSearch } from '../../src/node/dht-search.ts';
import type { ShoalLibp2p } from '../../src/node/libp2p-node.ts';

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
    let isFound = true;
    const running = search.run(
      () => {},
      () => isFound,
      done.signal,
    );
    await walked(search, 1);
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
});
