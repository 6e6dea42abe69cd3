import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PeerId, PeerStore } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { CID } from 'multiformats/cid';
import { tellKnownProviders } from '../../src/node/known-providers.ts';
import { dhtProtocol, type ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');
const HOUR_MS = 3_600_000;

const stranger = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

describe('what a node of the DHT tells of who announced', () => {
  const nodes: ShoalLibp2p[] = [];

  async function start(): Promise<ShoalLibp2p> {
    const node = await startBareNode();
    nodes.push(node);
    return node;
  }

  /** Connects, and waits until each knows that the other is one of the DHT. */
  async function meet(one: ShoalLibp2p, other: ShoalLibp2p): Promise<void> {
    const met = [one, other].map(async (node, at) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      node.addEventListener('peer:identify', ({ detail }) => {
        const isOther = detail.peerId.equals([other, one][at]!.peerId);
        if (isOther && detail.protocols.includes(dhtProtocol('test'))) resolve();
      });
      await promise;
    });
    await one.dial(other.getMultiaddrs()[0]!);
    await Promise.all(met);
  }

  /** Has a keeper note that a peer provides the root. */
  async function announce(provider: ShoalLibp2p, keeper: ShoalLibp2p): Promise<void> {
    const noted = async (): Promise<boolean> => {
      for await (const event of keeper.services.dht!.findProviders(ROOT, { useNetwork: false }))
        if (event.name === 'PROVIDER' && event.providers.some(({ id }) => id.equals(provider.peerId)))
          return true;
      return false;
    };
    while (!(await noted()))
      for await (const _ of provider.services.dht!.provide(ROOT))
        await new Promise((resolve) => setImmediate(resolve));
  }

  /** Whom a newcomer, which knows the keeper only, is told of. */
  async function told(keeper: ShoalLibp2p): Promise<string[]> {
    const newcomer = await start();
    await meet(newcomer, keeper);
    const found = new Set<string>();
    const isAsked = async (): Promise<boolean> => {
      let hasAnswered = false;
      for await (const event of newcomer.services.dht!.findProviders(ROOT)) {
        if (event.name === 'PROVIDER')
          for (const { id, multiaddrs } of event.providers)
            if (multiaddrs.length > 0) found.add(id.toString());
        if (event.name === 'QUERY_ERROR' && event.from.equals(keeper.peerId)) throw event.error;
        if (event.name === 'PEER_RESPONSE') hasAnswered ||= event.from.equals(keeper.peerId);
      }
      return hasAnswered;
    };
    // The keeper is in the newcomer's table a moment after they have met.
    while (!(await isAsked())) await new Promise((resolve) => setImmediate(resolve));
    return [...found];
  }

  async function stop(node: ShoalLibp2p): Promise<void> {
    nodes.splice(nodes.indexOf(node), 1);
    await node.stop();
  }

  /** Has a node of the DHT answer as it is told. */
  function answering(
    node: ShoalLibp2p,
    answer: (honestly: () => Promise<unknown>, asked: { type: string }) => unknown,
  ) {
    const { rpc } = node.services.dht as unknown as {
      rpc: { handleMessage(peer: PeerId, message: { type: string }): Promise<unknown> };
    };
    const honest = rpc.handleMessage.bind(rpc);
    rpc.handleMessage = async (peer, message) => answer(() => honest(peer, message), message);
  }

  const now = Date.now.bind(Date);
  let laterMs = 0;

  /** It is so much later than it was, for libp2p. */
  function later(ms: number): void {
    // Once: of several such, restored in their order, all but the last would stay.
    if (laterMs === 0) mock.method(Date, 'now', () => now() + laterMs);
    laterMs += ms;
  }

  afterEach(async () => {
    mock.restoreAll();
    laterMs = 0;
    await Promise.all([...nodes].map(stop));
  });

  it('is heard though one that answers sooner makes up any number of providers', async () => {
    const [provider, keeper, liar, newcomer] = await Promise.all([start(), start(), start(), start()]);
    await meet(provider, keeper);
    await announce(provider, keeper);
    await stop(provider);
    const hasLied = Promise.withResolvers<void>();
    const madeUp = await Promise.all(Array.from({ length: 50 }, stranger));
    answering(liar, async (_answer, { type }) => {
      if (type !== 'GET_PROVIDERS') return undefined;
      const multiaddrs = [multiaddr('/ip4/127.0.0.1/tcp/9').bytes];
      const providers = madeUp.map((id) => ({ id: id.toMultihash().bytes, multiaddrs }));
      setImmediate(hasLied.resolve);
      return { type, clusterLevel: 0, closer: [], providers };
    });
    answering(keeper, async (answer, { type }) => {
      if (type === 'GET_PROVIDERS') await hasLied.promise;
      return answer();
    });
    await meet(newcomer, keeper);
    await meet(newcomer, liar);
    const asked = new Set<string>();
    const found = new Set<string>();
    // They are in the newcomer's table a moment after they have met.
    while (!asked.has(keeper.peerId.toString()) || !asked.has(liar.peerId.toString())) {
      asked.clear();
      for await (const event of newcomer.services.dht!.findProviders(ROOT)) {
        if (event.name === 'SEND_QUERY') asked.add(event.to.toString());
        if (event.name === 'PROVIDER') for (const { id } of event.providers) found.add(id.toString());
      }
    }
    assert.ok(found.has(madeUp[0]!.toString()));
    assert.ok(found.has(provider.peerId.toString()));
  });

  it('names a provider that has been connected for long, and one that left some hours ago', async () => {
    const [keeper, provider] = [await start(), await start()];
    await meet(provider, keeper);
    await announce(provider, keeper);
    later(50 * HOUR_MS);
    assert.deepEqual(await told(keeper), [provider.peerId.toString()]);
    const gone = new Promise((resolve) =>
      keeper.addEventListener('peer:disconnect', resolve, { once: true }),
    );
    await stop(provider);
    await gone;
    later(5 * HOUR_MS);
    assert.deepEqual(await told(keeper), [provider.peerId.toString()]);
  });

  it('names the others where one is not known any more', async () => {
    const [keeper, forgotten, provider] = [await start(), await start(), await start()];
    for (const node of [forgotten, provider]) {
      await meet(node, keeper);
      await announce(node, keeper);
    }
    await stop(forgotten);
    await keeper.peerStore.delete(forgotten.peerId);
    const found = await told(keeper);
    assert.ok(found.includes(provider.peerId.toString()), `told of ${found.length}`);
  });

  it('names first who announced last, and nobody without an address', async () => {
    const [node, gone, first, last] = [await start(), await stranger(), await stranger(), await stranger()];
    for (const peer of [first, last])
      await node.peerStore.merge(peer, { multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/4001')] });
    const { providers } = node.services.dht as unknown as {
      providers: Record<'addProvider', (root: CID, peer: PeerId) => Promise<void>> &
        Record<'getProviders', (root: CID) => Promise<PeerId[]>>;
    };
    for (const peer of [last, gone, first, last]) await providers.addProvider(ROOT, peer);
    assert.deepEqual((await providers.getProviders(ROOT)).map(String), [last, first].map(String));
  });

  it('names of many the newest, and some of the others, so that each has its turn', async () => {
    const ids = await Promise.all(Array.from({ length: 300 }, stranger));
    const asked = new Set<string>();
    const get = async (peer: PeerId): Promise<unknown> => {
      asked.add(peer.toString());
      return { addresses: [{}] };
    };
    const providers = { getProviders: async (_root: CID) => [...ids] };
    tellKnownProviders({ providers } as unknown as KadDHT, { get } as unknown as PeerStore);
    const newest = ids.slice(-20).reverse().map(String);
    const named = new Set<string>();
    for (let times = 0; named.size < ids.length; times++) {
      const told = (await providers.getProviders(ROOT)).map(String);
      if (times === 0) assert.equal(asked.size, 100);
      assert.equal(new Set(told).size, 100);
      assert.deepEqual(told.slice(0, 20), newest);
      for (const each of told) named.add(each);
    }
  });
});
