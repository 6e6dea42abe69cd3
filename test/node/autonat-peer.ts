/**
 * A peer on one of the hosts of a `NatNetwork`, without Shoal: `node autonat-peer.ts stock|liar|prober [ADDRESS] [HOST]`. Prints what
 * happens as lines of JSON.
 */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { autoNAT, type AutoNATComponents } from '@libp2p/autonat';
import { identify } from '@libp2p/identify';
import type { Connection } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import {
  AUTONAT_PROTOCOL,
  decodeDialResponse,
  DialStatus,
  encodeDial,
  encodeDialResponse,
} from '../../src/node/autonat-messages.ts';
import { overridden } from '../../src/node/overridden.ts';
import { controlProtocol } from '../../src/swarm/link-table.ts';

const [role, address, host = ''] = process.argv.slice(2);

/** libp2p's own, whose server finds the connection that is there and closes it, unless it is made to dial. */
function stockAutonat(components: AutoNATComponents): unknown {
  const { connectionManager } = components;
  const openConnection: typeof connectionManager.openConnection = async (peer, options) =>
    connectionManager.openConnection(peer, { ...options, force: true });
  return autoNAT()(
    overridden(components, { connectionManager: overridden(connectionManager, { openConnection }) }),
  );
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/0.0.0.0/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ...(role === 'stock' ? { autonat: stockAutonat } : {}) },
});

function print(event: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/** What the server answers to a request for these addresses. */
async function ask(connection: Connection, addresses: string[], peer = node.peerId): Promise<number> {
  const stream = await connection.newStream(AUTONAT_PROTOCOL);
  const messages = lpStream(stream);
  const bytes = addresses.map((each) => multiaddr(each).bytes);
  await messages.write(encodeDial({ peer: peer.toMultihash().bytes, addresses: bytes }));
  const status = decodeDialResponse((await messages.read()).subarray());
  await stream.close();
  return status;
}

/** Asks for what must not be dialled, and for more than is dialled. @param host where this peer is */
async function probe(server: string, host: string): Promise<void> {
  const connection = await node.dial(multiaddr(server));
  const own = `/ip4/${host}/tcp/${port}`;
  const elsewhere = '/ip4/5.1.1.3/tcp/4001';
  print('probed', {
    elsewhere: await ask(connection, [elsewhere]),
    otherPeer: await ask(connection, [own], connection.remotePeer),
    notTcp: await ask(connection, [`/ip4/${host}/udp/4001/quic-v1`, `/ip4/${host}/tcp/4001/ws`]),
    nothing: await ask(connection, []),
    closed: await ask(connection, [`/ip4/${host}/tcp/9`]),
    own: await ask(connection, [elsewhere, own]),
    together: await Promise.all([ask(connection, [own]), ask(connection, [own])]),
    last: [await ask(connection, [own]), await ask(connection, [own]), await ask(connection, [own])],
  });
}

await node.handle(controlProtocol('main'), (stream) => stream.abort(new Error('it speaks no Shoal')));
if (role === 'liar') {
  await node.handle(AUTONAT_PROTOCOL, async (stream) => {
    const messages = lpStream(stream);
    await messages.read();
    await messages.write(encodeDialResponse(DialStatus.ok));
    await stream.close();
  });
}
node.addEventListener('self:peer:update', () => {
  print('addresses', { addresses: node.getMultiaddrs().map(String) });
});
const port = node.getMultiaddrs()[0]?.toString().split('/')[4] ?? '';
const peer = node.peerId.toString();
print('listening', { peer, address: `/tcp/${port}/p2p/${peer}` });
if (role === 'prober' && address) await probe(address, host);
else if (address) await node.dial(multiaddr(address));
