import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { DhtSearch } from '../../src/node/dht-search.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { Slots } from '../../src/store/bounded.ts';

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

  it('walks again soon where the DHT gained a member during a walk', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let isWalked = Promise.withResolvers<void>();
      const slow = {
        peerId: { equals: () => false },
        services: {
          dht: {
            async *findProviders() {
              await isWalked.promise;
            },
          },
        },
      } as unknown as ShoalLibp2p;
      const search = new DhtSearch(slow, ROOT, () => {});
      const done = new AbortController();
      const never = (): boolean => false;
      const running = search.run(() => {}, never, done.signal, never);
      const turns = async (): Promise<void> => {
        for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
      };
      const walk = async (sleptMs: number): Promise<number> => {
        mock.timers.tick(sleptMs);
        await turns();
        isWalked.resolve();
        isWalked = Promise.withResolvers();
        await turns();
        return search.walks;
      };
      assert.equal(await walk(0), 1);
      assert.equal(await walk(1000), 2);
      assert.equal(await walk(2000), 3);
      mock.timers.tick(4000);
      await turns();
      search.wake();
      assert.equal(await walk(0), 4);
      assert.equal(await walk(500), 5);
      assert.equal(await walk(500), 5, 'ever more seldom again');
      assert.equal(await walk(500), 6);
      done.abort();
      await running;
    } finally {
      mock.timers.reset();
    }
  });

  it('asks on, however many providers one node makes up, until the swarm is found', async () => {
    const named = Array.from({ length: 200 }, (_, n) => ({
      id: { toString: () => `peer${n}`, equals: () => false },
      multiaddrs: Array.from({ length: 50 }, (_port, port) => `/ip4/192.0.2.1/tcp/${port}`),
    }));
    let asked = 0;
    const lying = {
      peerId: { equals: () => false },
      services: {
        dht: {
          async *findProviders() {
            for (const from of ['liar', 'honest']) {
              asked++;
              yield { name: 'PROVIDER', from, providers: named };
            }
          },
        },
      },
    } as unknown as ShoalLibp2p;
    const search = new DhtSearch(lying, ROOT, () => {});
    const done = new AbortController();
    let isFound = false;
    const told: [source: string, peers: number, addresses: number][] = [];
    const running = search.run(
      (contacts, source) => void told.push([source, contacts.length, contacts[0]?.addresses.length ?? 0]),
      () => isFound,
      done.signal,
    );
    await walked(search, 1);
    assert.deepEqual(told, [
      ['liar', 100, 8],
      ['honest', 100, 8],
    ]);
    const wasAsked = asked;
    search.wake();
    isFound = true;
    await walked(search, 2);
    assert.equal(asked, wasAsked + 1);
    done.abort();
    await running;
  });

  it('ends a walk among nodes that are gone where the DHT gained a member, and no other', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let answer = Promise.withResolvers<void>();
      const dead = {
        peerId: { equals: () => false },
        services: {
          dht: {
            async *findProviders(_root: CID, { signal }: { signal: AbortSignal }) {
              const ended = new Promise<never>((_, reject) =>
                signal.addEventListener('abort', () => reject(signal.reason as Error)),
              );
              for (;;) {
                await Promise.race([answer.promise, ended]);
                answer = Promise.withResolvers();
                yield { name: 'PEER_RESPONSE', from: 'somebody' };
              }
            },
          },
        },
      } as unknown as ShoalLibp2p;
      const search = new DhtSearch(dead, ROOT, () => {});
      const done = new AbortController();
      const never = (): boolean => false;
      const running = search.run(() => {}, never, done.signal, never);
      const walksAfter = async (ms: number): Promise<number> => {
        mock.timers.tick(ms);
        for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
        return search.walks;
      };
      assert.equal(await walksAfter(5000), 0, 'nobody has come');
      search.wake();
      assert.equal(await walksAfter(2000), 0);
      answer.resolve();
      assert.equal(await walksAfter(0), 0);
      assert.equal(await walksAfter(2000), 0, 'somebody answers');
      assert.equal(await walksAfter(1000), 1);
      done.abort();
      await running;
    } finally {
      mock.timers.reset();
    }
  });

  it('takes turns with other searches, but does not keep them waiting among nodes that are gone', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const begun: string[] = [];
      const answers = new Map<string, () => void>();
      const slow = {
        peerId: { equals: () => false },
        services: {
          dht: {
            async *findProviders({ multihash }: CID, { signal }: { signal: AbortSignal }) {
              begun.push(String(multihash.digest[0]));
              await new Promise<void>((resolve, reject) => {
                answers.set(String(multihash.digest[0]), resolve);
                signal.addEventListener('abort', () => reject(signal.reason as Error));
              });
            },
          },
        },
      } as unknown as ShoalLibp2p;
      const turns = new Slots(2);
      const ends = new Map<string, AbortController>();
      const running = ['0', '1', '2', '3', '4'].map((name) => {
        const digest = new Uint8Array(32).fill(Number(name));
        const root = CID.createV1(0x55, create(0x12, digest));
        const done = new AbortController();
        ends.set(name, done);
        const never = (): boolean => false;
        return new DhtSearch(slow, root, () => {}, turns).run(() => {}, never, done.signal, never);
      });
      const begunAfter = async (ms: number): Promise<string> => {
        mock.timers.tick(ms);
        for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
        return begun.join('');
      };
      assert.equal(await begunAfter(0), '01');
      ends.get('2')?.abort();
      answers.get('1')?.();
      assert.equal(await begunAfter(0), '013', 'who is not wanted any more asks nobody');
      assert.equal(await begunAfter(2900), '013');
      assert.equal(await begunAfter(100), '01341', 'a second walk comes after those that had none');
      for (const done of ends.values()) done.abort();
      await Promise.all(running);
    } finally {
      mock.timers.reset();
    }
  });
});
