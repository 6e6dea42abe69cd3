import assert from 'node:assert/strict';
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { createLibp2pNode, startLibp2pNode, type Libp2pNodeOptions } from '../../src/node/libp2p-node.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

/** The libp2p node of Shoal, with nothing on it, started on any port of loopback; in the network `test`, with a DHT and no mDNS. */
export async function startBareNode(options: Partial<Libp2pNodeOptions> = {}): Promise<ShoalLibp2p> {
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const node = await createLibp2pNode({
    identity: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
    listen,
    network: 'test',
    mdns: false,
    dht: true,
    isBanned: () => false,
    onLocalPeer: () => assert.fail('mDNS is off'),
    ...options,
  });
  await startLibp2pNode(node, listen);
  return node;
}
