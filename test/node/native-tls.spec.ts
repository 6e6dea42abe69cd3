import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { mock } from 'node:test';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { ConnectionEncrypter, Libp2p, MessageStream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { generateCertificate } from '@libp2p/tls/utils';
import { multiaddrConnectionPair } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { nativeTls } from '../../src/node/native-tls.ts';
import { TlsMessageStream } from '../../src/node/tls-message-stream.ts';
import { pseudoRandomBytes } from './test-nodes.ts';
import {
  receive,
  sendAll,
  socketClosed,
  streamClosed,
  TlsRig,
  tlsSide,
  type RawConnection,
} from './tls-rig.ts';

const MIB = 1024 * 1024;

/** Self-signed, valid until 2126, and without libp2p's extension. The key guards nothing. */
const FOREIGN = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvdAe8wIItVB0ij9N
1EK5PkwqPxZD97SagbW/QWfgnQChRANCAASjkNINmE6G1BddOk+rChoG5XVlw3l3
K9DCli7yxC7XrwfjeTbsx3QvEkU40Z8VxGzE7n2NwGg8tRX9+WLflcqJ
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUSHbsWA570qNaO+RiOaMzeq7ZcREwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMyMTMyMDNaGA8yMTI2MTAzMDIxMzIw
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKOQ
0g2YTobUF106T6sKGgbldWXDeXcr0MKWLvLELtevB+N5NuzHdC8SRTjRnxXEbMTu
fY3AaDy1Ff35Yt+VyomjUzBRMB0GA1UdDgQWBBQze3b6qtPhUxBb1eKUjrMw76lJ
fTAfBgNVHSMEGDAWgBQze3b6qtPhUxBb1eKUjrMw76lJfTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIH3ONPd2rk5eYeoQ4P9b+0AOBmHbPLl9bcm4
/VQVWp4+AiA5Wf3hFf5nSJbbicfFzVM7/koVammhat6l3UBdLPldNw==
-----END CERTIFICATE-----`,
};

type Encrypters = ((components: never) => ConnectionEncrypter)[];

function node(connectionEncrypters: Encrypters, listen: string[] = []): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: connectionEncrypters as never,
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
}

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0'];

function addressOf(libp2p: Libp2p): Multiaddr {
  const [address] = libp2p.getMultiaddrs();
  assert.ok(address);
  return address;
}

describe('nativeTls in a libp2p node', () => {
  const combinations: [string, Encrypters, Encrypters, string][] = [
    ['another of its kind', [nativeTls()], [nativeTls()], '/tls/1.0.0'],
    ['a dialler with @libp2p/tls', [tls()], [nativeTls(), noise()], '/tls/1.0.0'],
    ['a listener with @libp2p/tls', [nativeTls(), noise()], [tls()], '/tls/1.0.0'],
    ['a dialler with Noise alone', [noise()], [nativeTls(), noise()], '/noise'],
    ['a listener with Noise alone', [nativeTls(), noise()], [noise()], '/noise'],
  ];
  for (const [title, dialler, listener, expected] of combinations) {
    it(`connects to ${title} and carries a stream`, async () => {
      const a = await node(dialler);
      const b = await node(listener, LOOPBACK);
      try {
        const sent = pseudoRandomBytes(2 * MIB);
        await b.handle('/echo', async (stream) => {
          for await (const piece of stream) await sendAll(stream, piece.subarray());
          await stream.close();
        });
        const connection = await a.dial(addressOf(b));
        assert.equal(connection.encryption, expected);
        assert.equal(connection.multiplexer, '/yamux/1.0.0');
        assert.ok(connection.remotePeer.equals(b.peerId));
        const stream = await connection.newStream('/echo');
        const received = receive(stream, sent.length);
        await sendAll(stream, sent);
        assert.ok((await received).equals(sent));
        assert.ok(b.getConnections()[0]?.remotePeer.equals(a.peerId));
      } finally {
        await Promise.all([a.stop(), b.stop()]);
      }
    });
  }

  it('refuses a peer whose id is not the one that was dialled, and leaves no connection behind', async () => {
    const a = await node([nativeTls()]);
    const b = await node([nativeTls()], LOOPBACK);
    try {
      const stranger = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
      const address = addressOf(b).decapsulate('/p2p').encapsulate(`/p2p/${stranger}`);
      await assert.rejects(a.dial(address), /peer|EncryptionFailed/i);
      assert.deepEqual(a.getConnections(), []);
    } finally {
      await Promise.all([a.stop(), b.stop()]);
    }
  });

  it('delivers what was written before a stream and its connection were closed', async () => {
    const a = await node([nativeTls()]);
    const b = await node([nativeTls()], LOOPBACK);
    try {
      const sent = pseudoRandomBytes(200_000);
      const arrived = Promise.withResolvers<Buffer>();
      await b.handle('/take', async (stream) => arrived.resolve(await receive(stream, sent.length)));
      const connection = await a.dial(addressOf(b));
      const stream = await connection.newStream('/take');
      stream.send(sent);
      await stream.close();
      await connection.close();
      assert.ok((await arrived.promise).equals(sent));
    } finally {
      await Promise.all([a.stop(), b.stop()]);
    }
  });
});

describe('nativeTls handshake', () => {
  it('tells both sides who the other is, and agrees on the muxer without another round trip', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = await rig.pair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound, { remotePeer: server.peer }),
      server.encrypter.secureInbound(inbound),
    ]);
    assert.ok(a.remotePeer.equals(server.peer));
    assert.ok(b.remotePeer.equals(client.peer));
    assert.equal(a.streamMuxer?.protocol, '/yamux/1.0.0');
    assert.equal(b.streamMuxer?.protocol, '/yamux/1.0.0');
    assert.ok(a.connection instanceof TlsMessageStream);
  });

  for (const [title, clientKind, serverKind] of [
    ['its own kind', nativeTls, nativeTls],
    ['@libp2p/tls dialling', tls, nativeTls],
    ['@libp2p/tls listening', nativeTls, tls],
  ] as const) {
    it(`leaves the muxer open where it is told to, with ${title}`, async () => {
      await using rig = await TlsRig.create();
      const [client, server] = await Promise.all([tlsSide(clientKind), tlsSide(serverKind)]);
      const [outbound, inbound] = await rig.pair();
      const skip = { skipStreamMuxerNegotiation: true };
      const [a, b] = await Promise.all([
        client.encrypter.secureOutbound(outbound, skip),
        server.encrypter.secureInbound(inbound, skip),
      ]);
      assert.equal(a.streamMuxer, undefined);
      assert.equal(b.streamMuxer, undefined);
    });
  }

  it('puts back what the peer sent before the handshake began', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = await rig.pair();
    const hello = once(inbound.socket, 'data');
    const dialled = client.encrypter.secureOutbound(outbound);
    await hello;
    assert.ok(inbound.readBufferLength > 0);
    const accepted = await server.encrypter.secureInbound(inbound);
    assert.ok(accepted.remotePeer.equals(client.peer));
    assert.ok((await dialled).remotePeer.equals(server.peer));
  });

  it('uses @libp2p/tls on a connection that has no socket', async () => {
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = multiaddrConnectionPair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound),
      server.encrypter.secureInbound(inbound),
    ]);
    assert.ok(!(a.connection instanceof TlsMessageStream));
    assert.ok(b.remotePeer.equals(client.peer));
    const received = receive(b.connection, 5);
    a.connection.send(Buffer.from('hello'));
    assert.equal(String(await received), 'hello');
  });

  it('refuses another peer than the expected one, and closes the sockets', async () => {
    await using rig = await TlsRig.create();
    const [client, server, stranger] = await Promise.all([
      tlsSide(nativeTls),
      tlsSide(nativeTls),
      tlsSide(nativeTls),
    ]);
    const [outbound, inbound] = await rig.pair();
    // The server's handshake may be over before the client refuses; it then sees the connection end.
    server.encrypter.secureInbound(inbound).catch(() => {});
    await assert.rejects(client.encrypter.secureOutbound(outbound, { remotePeer: stranger.peer }), {
      name: 'UnexpectedPeerError',
    });
    await rig.allClosed();
  });

  it('refuses a certificate that another identity signed', async () => {
    await using rig = await TlsRig.create();
    const [honest, other] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')]);
    const forged = Object.assign(Object.create(honest), { sign: other.sign.bind(other) }) as typeof honest;
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls, forged)]);
    const [outbound, inbound] = await rig.pair();
    server.encrypter.secureInbound(inbound).catch(() => {});
    await assert.rejects(client.encrypter.secureOutbound(outbound), { name: 'InvalidCryptoExchangeError' });
    await rig.allClosed();
  });

  it("refuses a server whose certificate lacks libp2p's extension", async () => {
    await using rig = await TlsRig.create();
    const client = await tlsSide(nativeTls);
    const [outbound, socket] = await rig.pairWithServer();
    const server = new TLSSocket(socket, { isServer: true, ...FOREIGN, ALPNProtocols: ['libp2p'] });
    server.on('error', () => {});
    await assert.rejects(client.encrypter.secureOutbound(outbound), { name: 'InvalidCertificateError' });
    await rig.allClosed();
  });

  it('refuses a server that sends more than one certificate', async () => {
    await using rig = await TlsRig.create();
    const client = await tlsSide(nativeTls);
    const own = await generateCertificate(await generateKeyPair('Ed25519'));
    const [outbound, socket] = await rig.pairWithServer();
    const chain = { key: own.key, cert: `${own.cert}\n${FOREIGN.cert}` };
    const server = new TLSSocket(socket, { isServer: true, ...chain, ALPNProtocols: ['libp2p'] });
    server.on('error', () => {});
    await assert.rejects(client.encrypter.secureOutbound(outbound), /a chain of certificates/);
    await rig.allClosed();
  });

  it('refuses a client without a certificate', async () => {
    await using rig = await TlsRig.create();
    const server = await tlsSide(nativeTls);
    const [socket, inbound] = await rig.pairWithSocket();
    connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['libp2p'] }).on('error', () => {});
    await assert.rejects(server.encrypter.secureInbound(inbound), { name: 'InvalidCryptoExchangeError' });
    await rig.allClosed();
  });

  it('refuses TLS 1.2', async () => {
    await using rig = await TlsRig.create();
    const server = await tlsSide(nativeTls);
    const [socket, inbound] = await rig.pairWithSocket();
    connectTls({ socket, rejectUnauthorized: false, maxVersion: 'TLSv1.2' }).on('error', () => {});
    await assert.rejects(server.encrypter.secureInbound(inbound), { code: 'ERR_SSL_UNSUPPORTED_PROTOCOL' });
    await rig.allClosed();
  });

  it('ends with the reason of an abort while the peer is silent, on either side', async () => {
    await using rig = await TlsRig.create();
    const side = await tlsSide(nativeTls);
    const reason = new Error('enough waiting');
    for (const [connection, peer, secure] of [
      [...(await rig.pairWithServer()), 'secureOutbound'],
      [...(await rig.pairWithSocket()).toReversed(), 'secureInbound'],
    ] as [RawConnection, Socket, 'secureOutbound' | 'secureInbound'][]) {
      const controller = new AbortController();
      const closed = socketClosed(peer);
      const done = side.encrypter[secure](connection, { signal: controller.signal });
      if (secure === 'secureOutbound') await once(peer, 'data');
      controller.abort(reason);
      await assert.rejects(done, (error) => error === reason);
      peer.resume();
      await closed;
    }
    await rig.allClosed();
  });

  it('does not begin under a signal that is already aborted', async () => {
    await using rig = await TlsRig.create();
    const side = await tlsSide(nativeTls);
    const [outbound, inbound] = await rig.pair();
    const reason = new Error('too late');
    await assert.rejects(
      side.encrypter.secureOutbound(outbound, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    await socketClosed(inbound.socket);
    await rig.allClosed();
  });

  it('refuses bytes that are not TLS, on either side', async () => {
    await using rig = await TlsRig.create();
    const side = await tlsSide(nativeTls);
    const [outbound, server] = await rig.pairWithServer();
    server.resume();
    server.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    await assert.rejects(side.encrypter.secureOutbound(outbound), /SSL|TLS|disconnected/i);
    const [client, inbound] = await rig.pairWithSocket();
    client.resume();
    client.write(pseudoRandomBytes(1000));
    await assert.rejects(side.encrypter.secureInbound(inbound), /SSL|TLS/i);
    await rig.allClosed();
  });

  it('fails where the peer says its farewell or resets in the middle, and closes the sockets', async () => {
    await using rig = await TlsRig.create();
    const side = await tlsSide(nativeTls);
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const [outbound, server] = await rig.pairWithServer();
      server.resume();
      server.once('data', () => server[leave]());
      await assert.rejects(side.encrypter.secureOutbound(outbound), /disconnected|ECONNRESET/);
      const [client, inbound] = await rig.pairWithSocket({ allowHalfOpen: true });
      client.on('error', () => {});
      client.resume();
      client[leave]();
      await assert.rejects(side.encrypter.secureInbound(inbound), /closed|ECONNRESET/);
      client.end();
    }
    await rig.allClosed();
  });

  it('succeeds when a clock that was ahead at the start has been set right', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = [await tlsSide(nativeTls), await tlsSide(nativeTls)];
    const now = Date.now.bind(Date);
    mock.method(Date, 'now', () => now() + 8 * 3_600_000);
    try {
      await rig.securedPair(client, server);
    } finally {
      mock.restoreAll();
    }
    await rig.securedPair(client, server);
  });
});

describe('nativeTls stream', () => {
  async function secured(rig: TlsRig): Promise<[MessageStream, MessageStream]> {
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    return rig.securedPair(client, server);
  }

  it('carries 64 MiB in both directions at once, byte for byte', async () => {
    await using rig = await TlsRig.create();
    const [a, b] = await secured(rig);
    const [fromA, fromB] = [pseudoRandomBytes(64 * MIB, 1), pseudoRandomBytes(64 * MIB, 2)];
    const received = Promise.all([receive(b, fromA.length), receive(a, fromB.length)]);
    await Promise.all([sendAll(a, fromA), sendAll(b, fromB, 100_001)]);
    const [atB, atA] = await received;
    assert.ok(atB.equals(fromA));
    assert.ok(atA.equals(fromB));
  });

  for (const [title, clientKind, serverKind] of [
    ['@libp2p/tls dialling', tls, nativeTls],
    ['@libp2p/tls listening', nativeTls, tls],
  ] as const) {
    it(`carries 8 MiB in both directions at once with ${title}`, async () => {
      await using rig = await TlsRig.create();
      const [a, b] = await rig.securedPair(await tlsSide(clientKind), await tlsSide(serverKind));
      const [fromA, fromB] = [pseudoRandomBytes(8 * MIB, 1), pseudoRandomBytes(8 * MIB, 2)];
      const received = Promise.all([receive(b, fromA.length), receive(a, fromB.length)]);
      await Promise.all([sendAll(a, fromA), sendAll(b, fromB)]);
      const [atB, atA] = await received;
      assert.ok(atB.equals(fromA) && atA.equals(fromB));
    });
  }

  it('holds the sender back while the reader pauses, with little memory on either side', async () => {
    await using rig = await TlsRig.create();
    const [a, b] = await secured(rig);
    const total = 64 * MIB;
    b.pause();
    const piece = new Uint8Array(64 * 1024);
    let sent = 0;
    let largest = 0;
    const sending = (async () => {
      while (sent < total) {
        await sendAll(a, piece);
        sent += piece.length;
        largest = Math.max(largest, a.writeBufferLength);
      }
    })();
    // Until nothing moves any more: the sender has filled what the two kernels hold.
    for (let still = 0, before = -1; still < 1000; still = sent === before ? still + 1 : 0) {
      before = sent;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent < total / 2, `${sent} bytes sent to a reader that pauses`);
    assert.ok(largest <= MIB, `${largest} bytes queued at the sender`);
    assert.ok(b.readBufferLength <= MIB, `${b.readBufferLength} bytes queued at the reader`);
    let received = 0;
    const all = new Promise<void>((resolve) => {
      b.addEventListener('message', ({ data }) => {
        received += data.byteLength;
        if (received === total) resolve();
      });
    });
    b.resume();
    await Promise.all([sending, all]);
  });

  it('sends all that was queued before close, then closes both sides without an error', async () => {
    await using rig = await TlsRig.create();
    const [a, b] = await secured(rig);
    const bytes = pseudoRandomBytes(3 * MIB);
    const received = receive(b, bytes.length);
    const closed = streamClosed(b);
    a.send(bytes);
    await a.close();
    assert.ok((await received).equals(bytes));
    assert.equal(await closed, undefined);
    assert.equal(a.status, 'closed');
    await rig.allClosed();
  });

  it("closes as gracefully by the connection under it, which is libp2p's way", async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = await rig.pair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound),
      server.encrypter.secureInbound(inbound),
    ]);
    const bytes = pseudoRandomBytes(3 * MIB);
    const received = receive(b.connection, bytes.length);
    a.connection.send(bytes);
    await outbound.close();
    assert.ok((await received).equals(bytes));
    assert.equal(a.connection.status, 'closed');
    await rig.allClosed();
  });

  it('tells the other side of an abort in the middle of a transfer', async () => {
    await using rig = await TlsRig.create();
    for (const aborting of [0, 1] as const) {
      const pair = await secured(rig);
      const [leaver, other] = [pair[aborting], pair[1 - aborting] as MessageStream];
      const gone = streamClosed(other);
      const bytes = new Uint8Array(MIB);
      const flood = (stream: MessageStream): void => {
        stream.addEventListener('drain', () => stream.status === 'open' && stream.send(bytes));
        stream.send(bytes);
      };
      const begun = new Promise((resolve) => leaver.addEventListener('message', resolve, { once: true }));
      other.addEventListener('message', () => {});
      flood(leaver);
      flood(other);
      await begun;
      leaver.abort(new Error('changed my mind'));
      assert.equal(leaver.status, 'aborted');
      assert.ok((await gone) instanceof Error);
    }
    await rig.allClosed();
  });

  it('ends when the socket under it is destroyed in the middle of a transfer', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = await rig.pair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound),
      server.encrypter.secureInbound(inbound),
    ]);
    const closed = Promise.all([streamClosed(a.connection), streamClosed(b.connection)]);
    b.connection.addEventListener('message', () => outbound.socket.destroy(), { once: true });
    a.connection.send(new Uint8Array(8 * MIB));
    await closed;
    await rig.allClosed();
  });

  it('survives an end of any kind while much is still being written, and frees every socket', async () => {
    const ways: ((connection: RawConnection, stream: MessageStream) => void)[] = [
      (connection) => connection.abort(new Error('over')),
      (connection) => connection.socket.destroy(),
      (connection) => connection.socket.resetAndDestroy(),
      (_, stream) => stream.abort(new Error('over')),
    ];
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    for (const end of ways) {
      for (let turns = 0; turns < 5; turns++) {
        const [outbound, inbound] = await rig.pair();
        const [a, b] = await Promise.all([
          client.encrypter.secureOutbound(outbound),
          server.encrypter.secureInbound(inbound),
        ]);
        b.connection.pause();
        a.connection.send(new Uint8Array(16 * MIB));
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        end(outbound, a.connection);
        inbound.abort(new Error('over here too'));
      }
    }
    await rig.allClosed();
  });

  it('survives an abort while it writes to a peer that has just reset the connection', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    // Node's crash, were the sockets ended in the wrong order, comes within a few rounds.
    for (let round = 0; round < 40; round++) {
      const [outbound, inbound] = await rig.pair();
      const [, b] = await Promise.all([
        client.encrypter.secureOutbound(outbound),
        server.encrypter.secureInbound(inbound),
      ]);
      outbound.abort(new Error('over'));
      b.connection.send(new Uint8Array(16 * MIB));
      inbound.abort(new Error('over here too'));
    }
    await rig.allClosed();
  });

  it('can be aborted while a close waits for a peer that reads nothing', async () => {
    await using rig = await TlsRig.create();
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = await rig.pair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound),
      server.encrypter.secureInbound(inbound),
    ]);
    b.connection.pause();
    a.connection.send(new Uint8Array(32 * MIB));
    const controller = new AbortController();
    const reason = new Error('no more patience');
    const closing = outbound.close({ signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(closing);
    outbound.abort(reason);
    assert.notEqual(a.connection.status, 'open');
    await socketClosed(outbound.socket);
    b.connection.resume();
    await rig.allClosed();
  });

  it('ends both sides at a record that was changed on the way', async () => {
    await using rig = await TlsRig.create();
    for (const changed of ['toServer', 'toClient'] as const) {
      const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
      const [outbound, nearEnd] = await rig.pairWithServer();
      const [farEnd, inbound] = await rig.pairWithSocket();
      let tamper = false;
      const relay = (from: typeof nearEnd, to: typeof nearEnd, mine: boolean): void => {
        from.on('data', (bytes) => {
          if (tamper && mine) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
          to.write(bytes);
        });
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
      };
      relay(nearEnd, farEnd, changed === 'toServer');
      relay(farEnd, nearEnd, changed === 'toClient');
      const [a, b] = await Promise.all([
        client.encrypter.secureOutbound(outbound),
        server.encrypter.secureInbound(inbound),
      ]);
      // Afterwards the session tickets, which the server sends behind its handshake, are out of the way.
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const received = receive(to.connection, 5);
        from.connection.send(Buffer.from('hello'));
        await received;
      }
      const [sender, receiver] = changed === 'toServer' ? [a, b] : [b, a];
      const closed = streamClosed(receiver.connection);
      let letThrough = false;
      receiver.connection.addEventListener('message', () => (letThrough = true));
      tamper = true;
      sender.connection.send(Buffer.from('a record'));
      assert.match(String(await closed), /bad record mac/i);
      assert.ok(!letThrough);
    }
    await rig.allClosed();
  });
});
