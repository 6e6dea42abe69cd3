import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { lpStream, streamPair } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { DialStatus, encodeDialResponse } from '../../src/node/autonat-messages.ts';
import { AutonatClient } from '../../src/node/autonat-client.ts';

type Components = ConstructorParameters<typeof AutonatClient>[0];

const seenAt = (host: string) => multiaddr(`/ip4/${host}/tcp/50000`);

/** A node that listens on port 4001, and a peer that it has dialled, which does not answer its questions. */
async function rig() {
  const [peerId, remotePeer] = await Promise.all(
    [1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
  );
  const transportManager = { getAddrs: () => [multiaddr('/ip4/192.168.1.5/tcp/4001')] };
  const components = { peerId, events: new EventTarget(), transportManager } as unknown as Components;
  const client = new AutonatClient(components, { onChange: () => {}, log: () => {} });
  let asked = 0;
  const newStream = async (): Promise<never> => {
    asked++;
    throw new Error('it does not answer');
  };
  const connect = (): Connection =>
    ({
      direction: 'outbound',
      status: 'open',
      remoteAddr: multiaddr('/ip4/5.1.1.2/tcp/4001'),
      remotePeer,
      newStream,
    }) as unknown as Connection;
  const turns = async (): Promise<number> => {
    for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
    return asked;
  };
  return { client, connect, turns };
}

describe('AutonatClient', () => {
  it('asks a peer once in a round, and again where it sees this node elsewhere now', async () => {
    const { client, connect, turns } = await rig();
    client.meet(connect(), seenAt('5.1.1.9'));
    assert.equal(await turns(), 1);
    client.meet(connect(), seenAt('5.1.1.9'));
    assert.equal(await turns(), 1);
    client.meet(connect(), seenAt('5.1.1.10'));
    assert.equal(await turns(), 2);
    await client.stop();
  });

  it('asks a peer a few times in a round, wherever it says that it sees this node', async () => {
    const { client, connect, turns } = await rig();
    const connection = connect();
    for (let n = 1; n < 50; n++) {
      client.meet(connection, seenAt(`5.1.2.${n}`));
      await turns();
    }
    const asked = await turns();
    assert.ok(asked > 1 && asked < 10, `${asked} times`);
    await client.stop();
  });

  it('does not wait for a peer that says it has come when it is to end', async () => {
    const { client, connect } = await rig();
    const real = globalThis.setTimeout;
    const waits = Promise.withResolvers<void>();
    // The time in which it looks for the connection does not pass.
    mock.method(globalThis, 'setTimeout', (act: () => void, ms?: number, ...rest: []) => {
      if (ms !== 3000) return real(act, ms, ...rest);
      waits.resolve();
      return real(() => {}, 0);
    });
    try {
      const newStream = async (): Promise<Stream> => {
        const [own, other] = await streamPair();
        const messages = lpStream(other);
        void messages.read().then(() => messages.write(encodeDialResponse(DialStatus.ok)));
        return own;
      };
      client.meet(Object.assign(connect(), { newStream }), seenAt('5.1.1.9'));
      await waits.promise;
      await client.stop();
    } finally {
      mock.restoreAll();
    }
  });
});
