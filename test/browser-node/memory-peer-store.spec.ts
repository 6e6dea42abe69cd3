import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Libp2pEvents, PeerId, PeerUpdate } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { TypedEventEmitter } from 'main-event';
import { MemoryPeerStore } from '../../src/browser-node/memory-peer-store.ts';

const newId = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

const A = multiaddr('/ip4/192.0.2.1/tcp/1');
const B = multiaddr('/ip4/192.0.2.2/tcp/2');

describe('what a page’s libp2p knows of peers', () => {
  let self: PeerId;
  let peer: PeerId;
  let store: MemoryPeerStore;
  let updates: PeerUpdate[];
  beforeEach(async () => {
    [self, peer] = [await newId(), await newId()];
    const events = new TypedEventEmitter<Libp2pEvents>();
    updates = [];
    events.addEventListener('peer:update', ({ detail }) => updates.push(detail));
    store = new MemoryPeerStore({ peerId: self, events });
  });

  const addresses = async (): Promise<string[]> =>
    (await store.get(peer)).addresses.map((each) => each.multiaddr.toString());

  it('is replaced by patch, and added to by merge', async () => {
    await store.merge(peer, { multiaddrs: [A], protocols: ['/b'] });
    await store.merge(peer, { multiaddrs: [A, B], protocols: ['/a'] });
    assert.deepEqual(await addresses(), [A.toString(), B.toString()]);
    assert.deepEqual((await store.get(peer)).protocols, ['/a', '/b']);
    await store.patch(peer, { addresses: [{ multiaddr: B, isCertified: true }] });
    assert.deepEqual(await addresses(), [B.toString()]);
    assert.deepEqual((await store.get(peer)).protocols, ['/a', '/b']);
    assert.equal((await store.get(peer)).addresses[0]?.isCertified, true);
  });

  it('has addresses without the peer’s own id at their end', async () => {
    await store.patch(peer, { multiaddrs: [multiaddr(`${A.toString()}/p2p/${peer.toString()}`)] });
    assert.deepEqual(await addresses(), [A.toString()]);
  });

  it('is told of when it changes, with what it was, and not when it stays', async () => {
    await store.patch(peer, { multiaddrs: [A] });
    await store.patch(peer, { multiaddrs: [A] });
    assert.equal(updates.length, 1);
    assert.equal(updates[0]?.previous, undefined);
    await store.merge(peer, { multiaddrs: [B] });
    assert.equal(updates.length, 2);
    assert.deepEqual(
      updates[1]?.previous?.addresses.map((each) => each.multiaddr.toString()),
      [A.toString()],
    );
  });

  it('has tags for as long as they last', async () => {
    await store.merge(peer, { tags: { kept: { value: 50 }, over: { value: 1, ttl: -1 } } });
    assert.deepEqual([...(await store.get(peer)).tags.keys()], ['kept']);
    await store.merge(peer, { tags: { kept: undefined } });
    assert.equal((await store.get(peer)).tags.size, 0);
  });

  it('leaves itself out, and says what is not known', async () => {
    await store.patch(self, { multiaddrs: [A] });
    await store.patch(peer, { protocols: ['/a'] });
    const all = await store.all({ filters: [({ protocols }) => protocols.includes('/a')] });
    assert.deepEqual(
      all.map(({ id }) => id.toString()),
      [peer.toString()],
    );
    await store.delete(peer);
    await assert.rejects(store.get(peer), { name: 'NotFoundError' });
    assert.equal(await store.has(self), true);
  });

  it('is bounded: of more than a thousand the oldest goes, and never the page itself', async () => {
    await store.patch(self, { multiaddrs: [A] });
    await store.patch(peer, { multiaddrs: [A] });
    for (let n = 0; n < 1000; n++) await store.patch(await newId(), { multiaddrs: [A] });
    assert.equal(await store.has(peer), false);
    assert.equal(await store.has(self), true);
    assert.equal((await store.all()).length, 999);
  });
});
