/**
 * A Shoal's libp2p node behind the NAT of a `NatNetwork`, whose rounds of AutoNAT are not awaited: `node autonat-home.ts
 * ADDRESS…` dials those, asks again at each line on standard input, and prints what it finds out as lines of JSON.
 */
import { mock } from 'node:test';
import { createInterface } from 'node:readline';
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2pNode } from '../../src/node/libp2p-node.ts';

mock.timers.enable({ apis: ['setInterval'] });

const node = await createLibp2pNode({
  identity: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
  listen: ['/ip4/0.0.0.0/tcp/4001'],
  network: 'main',
  mdns: false,
  dht: false,
  isBanned: () => false,
  onLocalPeer: () => {},
  log: (_level, message) => {
    const addresses = node.getMultiaddrs().map(String);
    process.stdout.write(`${JSON.stringify({ event: 'log', message, addresses })}\n`);
  },
});
await node.start();
for (const address of process.argv.slice(2)) await node.dial(multiaddr(address));
for await (const _line of createInterface({ input: process.stdin })) mock.timers.tick(600_000);
