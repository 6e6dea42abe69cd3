import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Listener } from '@libp2p/interface';
import type { TransportManager } from '@libp2p/interface-internal';
import { noise } from '@libp2p/noise';
import { webRTCDirect } from '@libp2p/webrtc';
import { createLibp2p, type Libp2p } from 'libp2p';
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import { pageCertificate } from '../../src/node/page-certificate.ts';
import { MAX_PENDING, MAX_PENDING_OF_HOST, PendingConnections } from '../../src/node/pending-connections.ts';
import { webRtcDirectTransport } from '../../src/node/webrtc-direct-transport.ts';
import type { Store } from '../../src/store/store.ts';

/** What `@libp2p/webrtc` has of a listener. */
interface DirectListener extends Listener {
  readonly connections: ReadonlyMap<string, unknown>;
  incomingConnection(...args: unknown[]): Promise<void>;
}

/** A binding request (RFC 8489) by which a page begins to connect, with a name of its own choice and any MAC. */
function bindingRequest(name: string): Buffer {
  const attributes = Buffer.concat([
    attribute(0x0006, Buffer.from(`${name}:${name}`)),
    attribute(0x0008, Buffer.alloc(20)),
  ]);
  const head = Buffer.alloc(20);
  head.writeUInt16BE(0x0001, 0);
  head.writeUInt16BE(attributes.length, 2);
  head.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(head, 8);
  return Buffer.concat([head, attributes]);
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

async function listeningNode(port = 0): Promise<Libp2p> {
  const store = { getSetting: async () => undefined, putSetting: async () => {} } as unknown as Store;
  const certificate = await pageCertificate(store, () => {});
  return createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    addresses: { listen: [`/ip4/127.0.0.1/udp/${port}/webrtc-direct`] },
    transports: [webRtcDirectTransport(certificate) as never],
    connectionEncrypters: [noise()],
  });
}

/** The channel of a handshake with a node, as who calls has it. */
async function handshakeChannel(dialler: Libp2p, node: Libp2p): Promise<RTCDataChannel> {
  const { prototype } = RTCPeerConnection;
  const create = Reflect.get(prototype, 'createDataChannel') as typeof prototype.createDataChannel;
  const made = Promise.withResolvers<RTCDataChannel>();
  prototype.createDataChannel = function (this: RTCPeerConnection, label, init) {
    const channel = create.call(this, label, init);
    // Who dials makes it first.
    made.resolve(channel);
    return channel;
  };
  try {
    await dialler.dial(node.getMultiaddrs());
    return await made.promise;
  } finally {
    prototype.createDataChannel = create;
  }
}

describe('webrtc-direct of a node', () => {
  for (const [what, sent] of [
    ['text comes, whose number would be taken for a length', '40000'],
    ['more comes than a handshake has', new Uint8Array(10 * 1024)],
  ] as const) {
    it(`closes the channel of the handshake where ${what}`, async () => {
      const node = await listeningNode();
      const dialler = await createLibp2p({
        transports: [webRTCDirect({ rtcConfiguration: { iceServers: [] } }) as never],
        connectionEncrypters: [noise()],
        connectionGater: { denyDialMultiaddr: () => false },
      });
      try {
        const channel = await handshakeChannel(dialler, node);
        const closed = new Promise((resolve) => channel.addEventListener('close', resolve));
        for (let n = 0; n < 7; n++) channel.send(sent as never);
        await closed;
      } finally {
        await Promise.all([dialler.stop(), node.stop()]);
      }
    });
  }

  it('says that it cannot listen at a port that is taken, and does when it is free again', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    await assert.rejects(listeningNode(port), { name: 'UnsupportedListenAddressesError' });
    await new Promise<void>((resolve) => socket.close(resolve));
    const node = await listeningNode(port);
    await node.stop();
  });

  it('begins a bounded number of connections, however many names are called out to its port', async () => {
    const node = await listeningNode();
    const { transportManager } = (node as unknown as { components: { transportManager: TransportManager } })
      .components;
    const [listener] = transportManager.getListeners() as DirectListener[];
    const port = Number(/\/udp\/(\d+)\//.exec(String(node.getMultiaddrs()[0]))?.[1]);
    assert.ok(listener);
    let called = 0;
    const incoming = listener.incomingConnection.bind(listener);
    listener.incomingConnection = (...args) => {
      called++;
      return incoming(...args);
    };
    const socket = createSocket('udp4');
    const call = async (times: number): Promise<void> => {
      for (const end = called + times; called < end;) {
        const name = `libp2p+webrtc+v1/${randomBytes(16).toString('hex')}`;
        await new Promise((resolve) => socket.send(bindingRequest(name), port, '127.0.0.1', resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    try {
      await call(MAX_PENDING_OF_HOST);
      while (listener.connections.size < MAX_PENDING_OF_HOST)
        await new Promise((resolve) => setImmediate(resolve));
      await call(3 * MAX_PENDING_OF_HOST);
      assert.equal(listener.connections.size, MAX_PENDING_OF_HOST);
    } finally {
      socket.close();
      await node.stop();
    }
  });

  it('lets others in while one host has all that it may, and as many as that in all', () => {
    const pending = new PendingConnections();
    const taken = Array.from({ length: MAX_PENDING_OF_HOST }, () => pending.take('192.0.2.1'));
    assert.ok(taken.every(Boolean));
    assert.equal(pending.take('192.0.2.1'), undefined);
    const others = Array.from({ length: MAX_PENDING }, (_, n) => pending.take(`198.51.100.${n}`));
    assert.equal(others.filter(Boolean).length, MAX_PENDING - MAX_PENDING_OF_HOST);
    taken[0]?.[Symbol.dispose]();
    assert.ok(pending.take('192.0.2.1'));
    assert.equal(pending.take('192.0.2.2'), undefined);
  });

  it('writes nothing to the standard output, whatever comes to its port', async () => {
    const program = fileURLToPath(new URL('udp-rubbish.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    assert.equal(stdout, 'done\n');
  });
});
