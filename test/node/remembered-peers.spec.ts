import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { MemoryDatastore } from 'datastore-core';
import { createLibp2p } from 'libp2p';
import { rememberPeers } from '../../src/node/remembered-peers.ts';

class CountingDatastore extends MemoryDatastore {
  writes = 0;
  reads = 0;

  override get(...[key, options]: Parameters<MemoryDatastore['get']>) {
    this.reads++;
    return super.get(key, options);
  }

  override put(...[key, value, options]: Parameters<MemoryDatastore['put']>) {
    this.writes++;
    return super.put(key, value, options);
  }
}

async function rig() {
  const datastore = new CountingDatastore();
  const { peerStore, peerId } = await createLibp2p({ start: false, datastore });
  const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
  const nobody: (event: { detail: PeerId }) => void = () => {};
  const state = { isConnected: true, nowMs: 0, disconnect: nobody };
  rememberPeers(
    {
      peerId,
      peerStore,
      getConnections: () => (state.isConnected ? [{}] : []),
      addEventListener: (_, listener) => (state.disconnect = listener as typeof state.disconnect),
    },
    () => state.nowMs,
  );
  const writes = async (act: () => Promise<unknown>): Promise<number> => {
    const before = datastore.writes;
    await act();
    return datastore.writes - before;
  };
  const merge = (...protocols: string[]) => writes(() => peerStore.merge(peer, { protocols }));
  const stored = async (): Promise<string[]> => [...(await peerStore.get(peer)).protocols].sort();
  return { datastore, peerStore, peerId, peer, state, writes, merge, stored };
}

describe('what is known of connected peers', () => {
  it('is not noted again where nothing is new', async () => {
    const { merge, stored, state } = await rig();
    assert.equal(await merge('/a/1'), 1);
    assert.equal(await merge('/a/1'), 0);
    assert.equal(await merge('/b/1'), 1);
    assert.equal(await merge('/b/1', '/a/1'), 0);
    assert.deepEqual(await stored(), ['/a/1', '/b/1']);
    state.nowMs = 11 * 60_000;
    assert.equal(await merge('/a/1'), 1, 'now and then, so that libp2p does not forget the peer');
  });

  it('is noted anew once something else was said, and with whatever else is said', async () => {
    const { merge, stored, writes, peerStore, peer } = await rig();
    await merge('/a/1');
    await peerStore.patch(peer, { protocols: ['/b/1'] });
    assert.deepEqual(await stored(), ['/b/1']);
    assert.equal(await merge('/a/1'), 1);
    assert.equal(await writes(() => peerStore.merge(peer, { protocols: ['/a/1'], tags: { x: {} } })), 1);
    await peerStore.delete(peer);
    assert.equal(await merge('/a/1'), 1);
    assert.deepEqual(await stored(), ['/a/1']);
  });

  it('is what they say of where they are, and not what others say, for as long as they are connected', async () => {
    const { peerStore, peer, state } = await rig();
    const [own, wrong] = [multiaddr('/ip4/192.0.2.1/tcp/1'), multiaddr('/ip4/192.0.2.2/tcp/1')];
    const places = async (): Promise<string[]> =>
      (await peerStore.get(peer)).addresses.map(({ multiaddr: each }) => each.toString());
    await peerStore.merge(peer, { multiaddrs: [wrong] });
    assert.deepEqual(await places(), [wrong.toString()]);
    await peerStore.patch(peer, { addresses: [{ multiaddr: own, isCertified: true }] });
    await peerStore.merge(peer, { multiaddrs: [wrong] });
    assert.deepEqual(await places(), [own.toString()]);
    state.nowMs = 11 * 60_000;
    await peerStore.merge(peer, { multiaddrs: [wrong] });
    assert.deepEqual(await places(), [own.toString()]);
    state.isConnected = false;
    state.disconnect({ detail: peer });
    await peerStore.merge(peer, { multiaddrs: [wrong] });
    assert.deepEqual((await places()).sort(), [own.toString(), wrong.toString()]);
  });

  it('is not remembered of who is not connected, or no more', async () => {
    const { merge, state, peer } = await rig();
    await merge('/a/1');
    state.disconnect({ detail: peer });
    state.isConnected = false;
    assert.equal(await merge('/a/1'), 1);
    assert.equal(await merge('/a/1'), 1);
  });

  it('is read once, the node’s own record too, until it changes', async () => {
    const { datastore, peerStore, peerId, peer, merge } = await rig();
    await merge('/a/1');
    await peerStore.patch(peerId, { protocols: ['/own/1'] });
    const before = datastore.reads;
    for (let i = 0; i < 3; i++) {
      assert.deepEqual((await peerStore.get(peer)).protocols, ['/a/1']);
      assert.deepEqual((await peerStore.get(peerId)).protocols, ['/own/1']);
    }
    assert.equal(datastore.reads, before);
    await peerStore.patch(peer, { protocols: ['/b/1'] });
    assert.deepEqual((await peerStore.get(peer)).protocols, ['/b/1']);
  });

  it('is what was written last, whatever was read or written meanwhile', async () => {
    const { peerStore, peer, merge, stored } = await rig();
    await merge('/a/1');
    const patched = peerStore.patch(peer, { protocols: ['/b/1'] });
    const read = peerStore.get(peer);
    const added = merge('/a/1');
    await Promise.all([patched, read, added]);
    assert.deepEqual(await stored(), ['/a/1', '/b/1']);
    const again = [peerStore.get(peer), peerStore.patch(peer, { protocols: ['/c/1'] }), peerStore.get(peer)];
    await Promise.all(again);
    assert.deepEqual(await stored(), ['/c/1']);
  });
});
