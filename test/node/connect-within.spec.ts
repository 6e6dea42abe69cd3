import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Transport } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import { connectWithin } from '../../src/node/connect-within.ts';

const MS = 1000;

/** Takes connections at once, as a system does whose processes are busy, and hands bytes on after a while, or never. */
function slowDoor(port: number, afterMs?: number): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (afterMs === undefined) return;
    void sleep(afterMs).then(() => {
      const inner = connect(port, '127.0.0.1');
      inner.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      socket.pipe(inner).pipe(socket);
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function node(listen: string[]) {
  return createLibp2p({
    addresses: { listen },
    transports: [connectWithin(MS, tcp())],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
}

function portOf(far: Libp2p): number {
  const [address] = far.getMultiaddrs();
  return Number(address?.getComponents().find(({ name }) => name === 'tcp')?.value);
}

describe('connectWithin', () => {
  it('leaves a handshake the time of the dial', async () => {
    const far = await node(['/ip4/127.0.0.1/tcp/0']);
    const near = await node([]);
    const door = await slowDoor(portOf(far), 1.3 * MS);
    try {
      const at = `/ip4/127.0.0.1/tcp/${(door.address() as AddressInfo).port}/p2p/${far.peerId.toString()}`;
      const connection = await near.dial(multiaddr(at));
      assert.ok(connection.remotePeer.equals(far.peerId));
    } finally {
      await near.stop();
      await far.stop();
      door.close();
    }
  });

  it('gives an address up that does not answer', async () => {
    // No address of a test is sure to be silent: this stands for a socket that is told nothing.
    const silent = {
      dial: (_address: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    } as unknown as Transport;
    const transport = connectWithin(20, () => silent)({});
    const options = { signal: new AbortController().signal, upgrader: {} } as never;
    await assert.rejects(transport.dial(multiaddr('/ip4/192.0.2.1/tcp/1'), options), {
      name: 'TimeoutError',
      message: '/ip4/192.0.2.1/tcp/1 did not answer within 0.02 s',
    });
  });

  it('ends when the dial is given up', async () => {
    const far = await node(['/ip4/127.0.0.1/tcp/0']);
    const near = await node([]);
    const door = await slowDoor(portOf(far));
    try {
      const at = `/ip4/127.0.0.1/tcp/${(door.address() as AddressInfo).port}`;
      const signal = AbortSignal.timeout(100);
      await assert.rejects(near.dial(multiaddr(at), { signal }));
    } finally {
      await near.stop();
      await far.stop();
      door.close();
    }
  });
});
