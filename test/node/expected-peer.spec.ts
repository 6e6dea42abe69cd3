import assert from 'node:assert/strict';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Libp2p, Upgrader } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { isAnother } from '../../src/node/expected-peer.ts';
import { type ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

function upgraderOf(node: unknown): Upgrader {
  return (node as { components: { upgrader: Upgrader } }).components.upgrader;
}

describe('a node that dials a peer over Noise', () => {
  const banned = new Set<string>();
  let node: ShoalLibp2p;
  let other: Libp2p;
  before(async () => {
    node = await startBareNode({ dht: false, isBanned: (peer) => banned.has(peer.toString()) });
    other = (await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    })) as unknown as Libp2p;
  });
  after(() => Promise.all([node.stop(), other.stop()]));

  /** Where the other one is, under any name. */
  const dial = (name: string): Promise<Connection> =>
    node.dial(multiaddr(String(other.getMultiaddrs()[0]).replace(/\/p2p\/.*$/, name)));

  it('refuses who answers in the place of one whose id is the hash of its key', async () => {
    const rsa = peerIdFromPrivateKey(await generateKeyPair('RSA', 2048));
    await assert.rejects(dial(`/p2p/${rsa.toString()}`));
    assert.deepEqual(node.getConnections(), []);
  });

  it('refuses a peer that lied, also at an address that names nobody', async () => {
    banned.add(other.peerId.toString());
    await assert.rejects(dial(''));
    banned.clear();
    const { remotePeer } = await dial('');
    assert.ok(remotePeer.equals(other.peerId));
    const again = await dial(`/p2p/${other.peerId.toString()}`);
    assert.ok(again.remotePeer.equals(other.peerId));
  });

  it('lets nobody in under the name that a relay gives it, where the name is the hash of a key', async () => {
    const rsa = peerIdFromPrivateKey(await generateKeyPair('RSA', 2048));
    for (const [name, isLetIn] of [
      [rsa, false],
      [other.peerId, true],
    ] as const) {
      const [out, into] = multiaddrConnectionPair();
      into.remoteAddr = multiaddr(
        `/ip4/192.0.2.1/tcp/1/p2p/${node.peerId.toString()}/p2p-circuit/p2p/${name.toString()}`,
      );
      const signal = AbortSignal.timeout(5000);
      const [inbound] = await Promise.allSettled([
        upgraderOf(node).upgradeInbound(into, { signal }),
        upgraderOf(other).upgradeOutbound(out, { signal }),
      ]);
      assert.equal(inbound.status, isLetIn ? 'fulfilled' : 'rejected');
      out.abort(new Error('done'));
      into.abort(new Error('done'));
    }
  });

  it('looks at the last name of an address: before it stands the relay', () => {
    const [relay, peer] = [node.peerId, other.peerId];
    const address = multiaddr(
      `/ip4/192.0.2.1/tcp/1/p2p/${relay.toString()}/p2p-circuit/webrtc/p2p/${peer.toString()}`,
    );
    assert.equal(isAnother(peer, address), false);
    assert.equal(isAnother(relay, address), true);
    assert.equal(isAnother(peer, multiaddr('/ip4/192.0.2.1/tcp/1')), false);
    // The same id in its other form.
    assert.equal(isAnother(peer, multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${peer.toCID().toString()}`)), false);
  });
});
