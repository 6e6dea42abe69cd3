import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { mock } from 'node:test';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { ConnectionEncrypter, Libp2p } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { generateCertificate, toNodeDuplex } from '@libp2p/tls/utils';
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

  for (const [title, clientKind, serverKind] of [
    ['its own kind', nativeTls, nativeTls],
    ['@libp2p/tls dialling', tls, nativeTls],
    ['@libp2p/tls listening', nativeTls, tls],
  ] as const) {
    it(`secures a connection that has no socket, with ${title}`, async () => {
      const [client, server] = await Promise.all([tlsSide(clientKind), tlsSide(serverKind)]);
      const [outbound, inbound] = multiaddrConnectionPair();
      const [a, b] = await Promise.all([
        client.encrypter.secureOutbound(outbound, { remotePeer: server.peer }),
        server.encrypter.secureInbound(inbound),
      ]);
      assert.ok(!(a.connection instanceof TlsMessageStream));
      assert.ok(a.remotePeer.equals(server.peer));
      assert.ok(b.remotePeer.equals(client.peer));
      assert.equal(a.streamMuxer?.protocol, '/yamux/1.0.0');
      assert.equal(b.streamMuxer?.protocol, '/yamux/1.0.0');
      const bytes = pseudoRandomBytes(MIB, 1);
      const received = receive(b.connection, bytes.length);
      await sendAll(a.connection, bytes);
      assert.ok((await received).equals(bytes));
      const closed = streamClosed(b.connection);
      await a.connection.close();
      await closed;
    });
  }

  it('closes a connection that has no socket where another peer is there than the expected one, or the wait is over', async () => {
    const [client, server] = await Promise.all([tlsSide(nativeTls), tlsSide(nativeTls)]);
    const [outbound, inbound] = multiaddrConnectionPair();
    server.encrypter.secureInbound(inbound).catch(() => {});
    const expected = { remotePeer: client.peer };
    await assert.rejects(client.encrypter.secureOutbound(outbound, expected), {
      name: 'UnexpectedPeerError',
    });
    const [silent] = multiaddrConnectionPair();
    const over = new AbortController();
    const waiting = client.encrypter.secureOutbound(silent, { signal: over.signal });
    over.abort(new Error('the wait is over'));
    await assert.rejects(waiting, /the wait is over/);
    for (const each of [outbound, silent]) assert.notEqual(each.status, 'open');
  });

  it('takes the certificate of a clock that is two hours ahead, also where there is no socket', async () => {
    const client = await tlsSide(nativeTls);
    const key = await generateKeyPair('Ed25519');
    const now = Date.now.bind(Date);
    mock.method(Date, 'now', () => now() + 2 * 3_600_000);
    const ahead = await generateCertificate(key).finally(() => mock.restoreAll());
    const [outbound, inbound] = multiaddrConnectionPair();
    const transport = toNodeDuplex(inbound);
    const server = new TLSSocket(transport, { isServer: true, ...ahead, ALPNProtocols: ['libp2p'] });
    for (const each of [transport, server]) each.on('error', () => {});
    const { remotePeer } = await client.encrypter.secureOutbound(outbound);
    assert.ok(remotePeer.equals(peerIdFromPrivateKey(key)));
    outbound.abort(new Error('the test is over'));
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
