import assert from 'node:assert/strict';
import type { MessageStream } from '@libp2p/interface';
import { tls } from '@libp2p/tls';
import { nativeTls } from '../../src/node/native-tls.ts';
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
