import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { CID } from 'multiformats/cid';
import type { ContactBook, SeenPeer } from '../../src/node/contact-book.ts';
import { ContactKeeper } from '../../src/node/contact-keeper.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

/** A node with one peer in one swarm, which is one of the DHT too. */
async function rig() {
  const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
  const state = { addresses: [] as string[], isFull: false, looks: 0, kept: [] as string[] };
  const keep = (key: string, seen: readonly { addresses: readonly string[] }[]): void => {
    if (state.isFull) throw new Error('no space left on device');
    state.kept.push(`${key} ${seen.map(({ addresses }) => addresses.join(',')).join(' ')}`);
  };
  const keeper = new ContactKeeper({
    libp2p: {
      getConnections: () => [],
      peerStore: {
        get: async () => {
          state.looks++;
          return { addresses: state.addresses.map((each) => ({ multiaddr: multiaddr(each) })) };
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
  return { keeper, state };
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
});
