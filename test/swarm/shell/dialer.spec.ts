import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Libp2p } from '@libp2p/interface';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { Dialer, dialable } from '../../../src/swarm/dialer.ts';

type Kind = { direction: 'inbound' | 'outbound'; isRelayed?: boolean };

/** A node of which only connections are known, and what becomes of its dials. */
class Node extends EventTarget {
  readonly open: Connection[] = [];
  readonly linked = Promise.withResolvers<Connection>();
  readonly failed = Promise.withResolvers<unknown>();
  readonly dialled = Promise.withResolvers<AbortSignal>();
  /** What the dial comes to. */
  readonly dialling = Promise.withResolvers<Connection>();
  dials = 0;
  readonly dialer = new Dialer({
    libp2p: this as unknown as Libp2p,
    dialsAtATime: undefined,
    ensure: async (connection) => this.linked.resolve(connection),
    onFailed: (_peer, error) => this.failed.resolve(error),
  });

  getConnections(): Connection[] {
    return this.open;
  }

  dial(_to: unknown, { signal }: { signal: AbortSignal }): Promise<Connection> {
    this.dials++;
    this.dialled.resolve(signal);
    return this.dialling.promise;
  }

  connect(peer: string, { direction, isRelayed = false }: Kind): Connection {
    const connection = {
      remotePeer: peerIdFromString(peer),
      status: 'open',
      direction,
      limits: isRelayed ? { bytes: 1n } : undefined,
    } as unknown as Connection;
    this.open.push(connection);
    return connection;
  }

  identify(connection: Connection): void {
    this.dispatchEvent(new CustomEvent('peer:identify', { detail: { connection } }));
  }
}

describe('a dial', () => {
  let peer: string;
  let other: string;
  const newId = async (): Promise<string> =>
    peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
  before(async () => {
    [peer, other] = await Promise.all([newId(), newId()]);
  });

  it('is given up when the peer has come by itself', async () => {
    const node = new Node();
    node.dialer.dial({ peer, addresses: [] });
    const signal = await node.dialled.promise;
    const came = node.connect(peer, { direction: 'inbound' });
    node.identify(came);
    assert.equal(await node.linked.promise, came);
    assert.equal(signal.aborted, true);
  });

  it('goes on while what has come is relayed, or is somebody else', async () => {
    const node = new Node();
    node.dialer.dial({ peer, addresses: [] });
    const signal = await node.dialled.promise;
    node.identify(node.connect(peer, { direction: 'inbound', isRelayed: true }));
    node.identify(node.connect(other, { direction: 'inbound' }));
    const made = node.connect(peer, { direction: 'outbound' });
    assert.equal(signal.aborted, false);
    node.dialling.resolve(made);
    assert.equal(await node.linked.promise, made);
  });

  it('is not begun while the peer makes a connection through a relay', async () => {
    const node = new Node();
    node.connect(peer, { direction: 'inbound', isRelayed: true });
    node.dialer.dial({ peer, addresses: [] });
    const came = node.connect(peer, { direction: 'inbound' });
    node.identify(came);
    assert.equal(await node.linked.promise, came);
    assert.equal(node.dials, 0);
  });

  it('says why it failed', async () => {
    const node = new Node();
    node.dialer.dial({ peer, addresses: [] });
    await node.dialled.promise;
    const why = new Error('nobody there');
    node.dialling.reject(why);
    assert.equal(await node.failed.promise, why);
  });

  it('ends when the node stops, also one that waits for the peer', async () => {
    const node = new Node();
    node.connect(peer, { direction: 'inbound', isRelayed: true });
    node.dialer.dial({ peer, addresses: [] });
    await node.dialer.stop();
    assert.equal(node.dials, 0);
  });
});

describe('contacts that others tell of', () => {
  it('are passed over where this node has no transport for any of their addresses', () => {
    const contacts = [
      { peer: 'a', addresses: ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.1/tcp/2/ws'] },
      { peer: 'b', addresses: ['/ip4/192.0.2.1/tcp/2/ws'] },
      { peer: 'c', addresses: [] },
    ];
    assert.deepEqual(
      dialable(contacts, (address) => !address.endsWith('/ws')),
      [
        { peer: 'a', addresses: ['/ip4/192.0.2.1/tcp/1'] },
        { peer: 'c', addresses: [] },
      ],
    );
  });
});
