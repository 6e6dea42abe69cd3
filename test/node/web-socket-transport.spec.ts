import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { webSockets } from '@libp2p/websockets';
import { MAX_PENDING_OF_HOST } from '../../src/node/pending-connections.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { webSocketTransport } from '../../src/node/web-socket-transport.ts';
import { libp2pNode, until } from '../integration/swarm-node.ts';
import { startBareNode } from './bare-node.ts';
import { socketClosed } from './tls-rig.ts';

const ASK =
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

describe('WebSocket of a node', () => {
  let node: ShoalLibp2p;
  let port: number;
  beforeEach(async () => {
    node = await startBareNode({
      dht: false,
      listen: ['/ip4/127.0.0.1/tcp/0/ws'],
      transports: [webSocketTransport()],
    });
    port = Number(/\/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1]);
  });
  afterEach(() => node.stop());

  async function socket(): Promise<Socket> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }

  /** A socket that has asked for a WebSocket, and was answered. */
  async function asked(): Promise<Socket> {
    const each = await socket();
    each.write(ASK);
    const [answer] = (await once(each, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1.1 101 /);
    return each;
  }

  const broken: [string, Buffer][] = [
    ['a frame that is not masked', Buffer.of(0x82, 1, 0)],
    ['reserved bits', Buffer.of(0xf2, 0x81, 0, 0, 0, 0, 0)],
    ['text that is none', Buffer.of(0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe)],
    ['a message of two mebibytes', Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0)],
  ];
  for (const [what, frame] of broken) {
    it(`ends a connection on which there comes ${what}, and nothing else`, async () => {
      const each = await asked();
      each.resume();
      each.write(frame);
      await socketClosed(each);
      (await asked()).destroy();
    });
  }

  it('keeps no more sockets of a host than others, where nobody asks for a WebSocket', async () => {
    const silent = await Promise.all(Array.from({ length: MAX_PENDING_OF_HOST }, () => socket()));
    const more = await socket();
    await socketClosed(more);
    const [first] = silent;
    first?.destroy();
    for (const each of silent) if (each !== first) assert.equal(each.closed, false);
    for (const each of silent) each.destroy();
    await Promise.all(silent.map((each) => socketClosed(each)));
  });

  it('ends the socket of a connection that is given up', async () => {
    const peer = await libp2pNode(undefined, undefined, { listen: [], transport: webSockets() });
    try {
      const connection = await peer.dial(node.getMultiaddrs());
      const ended = once(connection, 'close');
      await until(() => node.getConnections().length > 0);
      node.getConnections()[0]?.abort(new Error('it is given up'));
      await ended;
    } finally {
      await peer.stop();
    }
  });

  it('ends that of a connection which it dialled, too', async () => {
    const other = await startBareNode({ dht: false, listen: [], transports: [webSocketTransport()] });
    try {
      const connection = await other.dial(node.getMultiaddrs());
      await until(() => node.getConnections().length > 0);
      connection.abort(new Error('it is given up'));
      await until(() => node.getConnections().length === 0);
    } finally {
      await other.stop();
    }
  });
});
