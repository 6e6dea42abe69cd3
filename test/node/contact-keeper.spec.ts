import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Libp2pEvents, Peer } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { TypedEventEmitter } from 'main-event';
import { CID } from 'multiformats/cid';
import type { ContactBook, SeenPeer } from '../../src/node/contact-book.ts';
import { ContactKeeper } from '../../src/node/contact-keeper.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

/** A node with one peer in one swarm, which is one of the DHT too. */
async function rig() {
  const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
  const peer = id.toString();
  const events = new TypedEventEmitter<Libp2pEvents>();
  const asPeer = (addresses: readonly string[]): Peer => ({
    id,
    addresses: addresses.map((each) => ({ multiaddr: multiaddr(each), isCertified: true })),
    protocols: [],
    metadata: new Map(),
    tags: new Map(),
  });
  const state = { addresses: [] as string[], isFull: false, looks: 0, kept: [] as string[] };
  const keep = (key: string, seen: readonly { addresses: readonly string[] }[]): void => {
    if (state.isFull) throw new Error('no space left on device');
    state.kept.push(`${key} ${seen.map(({ addresses }) => addresses.join(',')).join(' ')}`);
  };
  const keeper = new ContactKeeper({
    libp2p: {
      getConnections: () => [],
      addEventListener: events.addEventListener.bind(events),
      peerStore: {
        get: async () => {
          state.looks++;
          return asPeer(state.addresses);
        },
      },
    } as unknown as ShoalLibp2p,
    book: {
      seen: async (_root: CID, seen: readonly SeenPeer[]) => keep('swarm', seen),
      forget: async () => keep('forgotten', []),
      seenInDht: async (seen: readonly SeenPeer[]) => keep('dht', seen),
    } as unknown as ContactBook,
    swarms: () => [{ root: ROOT, peers: [peer], gave: () => false }],
    dhtPeers: () => [peer],
    log: () => {},
  });
  /** The peer tells where it is. */
  const tells = (...addresses: string[]): void => {
    const previous = asPeer(state.addresses);
    state.addresses = addresses;
    events.safeDispatchEvent('peer:update', { detail: { peer: asPeer(addresses), previous } });
  };
  return { keeper, state, tells };
}

describe('ContactKeeper', () => {
  let nowMs = 0;
  beforeEach(() => {
    nowMs = 1e6;
    mock.method(performance, 'now', () => nowMs);
  });
  afterEach(() => mock.restoreAll());

  const ADDRESS = '/ip4/192.0.2.1/tcp/4001';
  const KEPT = [`swarm ${ADDRESS}`, `dht ${ADDRESS}`];

  it('keeps a peer soon after it has told of its addresses', async () => {
    const { keeper, state } = await rig();
    await keeper.note();
    assert.deepEqual(state.kept, []);
    state.addresses = [ADDRESS];
    nowMs += 1000;
    await keeper.note();
    assert.deepEqual(state.kept, KEPT);
    nowMs += 1000;
    await keeper.note();
    assert.deepEqual(state.kept, KEPT);
  });

  it('looks ever more seldom at a peer that tells of none', async () => {
    const { keeper, state } = await rig();
    for (let second = 0; second < 3600; second++) {
      await keeper.note();
      nowMs += 1000;
    }
    assert.ok(state.looks < 40, `${state.looks} looks`);
  });

  it('keeps what could not be written as soon as it can', async () => {
    const { keeper, state } = await rig();
    state.addresses = [ADDRESS];
    state.isFull = true;
    await keeper.note();
    state.isFull = false;
    nowMs += 1000;
    await keeper.note();
    assert.deepEqual(state.kept, KEPT);
  });

  it('goes on noting the peers of what could not be removed', async () => {
    const { keeper, state } = await rig();
    state.addresses = [ADDRESS];
    state.isFull = true;
    await assert.rejects(keeper.forget(ROOT), /no space/);
    state.isFull = false;
    await keeper.note();
    assert.deepEqual(state.kept, KEPT);
  });

  it('keeps where a peer is that has moved, also where it stops at that moment', async () => {
    const { keeper, state, tells } = await rig();
    keeper.start();
    state.addresses = [ADDRESS];
    await keeper.note();
    nowMs += 1000;
    tells(ADDRESS);
    await keeper.note();
    assert.deepEqual(state.kept.splice(0), KEPT);
    const elsewhere = '/ip4/192.0.2.2/tcp/4001';
    tells(elsewhere);
    await keeper.stop();
    assert.deepEqual(state.kept, [`swarm ${elsewhere}`, `dht ${elsewhere}`]);
  });
});
