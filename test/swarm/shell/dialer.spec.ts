import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Libp2p } from '@libp2p/interface';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { Dialer, dialable } from '../../../src/swarm/dialer.ts';

type DialOptions = { signal: AbortSignal; onProgress?: (event: { type: string }) => void };
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

  dial(_to: unknown, { signal }: DialOptions): Promise<Connection> {
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

describe('a dial of a peer with several addresses', () => {
  const SILENT = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1'];
  const THERE = '/ip4/192.0.2.4/tcp/1';
  const BUSY = '/ip4/192.0.2.5/tcp/1';
  let dialled: string[];
  let peer: string;

  before(async () => {
    peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
  });

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    dialled = [];
  });

  afterEach(() => mock.timers.reset());

  /** A node that reaches the peer at `THERE`, hears something at `BUSY`, and nothing anywhere else. */
  class Far extends Node {
    override async dial(to: unknown, options: DialOptions): Promise<Connection> {
      const list = [to].flat().map((address) => String(address).split('/p2p/')[0] as string);
      dialled.push(list.join(' '));
      if (list.includes(THERE)) return this.connect(peer, { direction: 'outbound' });
      if (list.includes(BUSY)) options.onProgress?.({ type: 'upgrader:encrypt-outbound-connection' });
      const { signal } = options;
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    }
  }

  /** Lets so much time pass, and all that follows from it happen. */
  async function pass(ms: number): Promise<void> {
    mock.timers.tick(ms);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  it('goes on to the next one soon where nothing answers', async () => {
    const node = new Far();
    node.dialer.dial({ peer, addresses: [...SILENT, THERE] });
    await pass(0);
    for (const _address of SILENT) await pass(1500);
    assert.deepEqual(dialled, [...SILENT, THERE]);
    await node.linked.promise;
  });

  it('waits where something answers', async () => {
    const node = new Far();
    node.dialer.dial({ peer, addresses: [BUSY, THERE] });
    await pass(0);
    await pass(10_000);
    assert.deepEqual(dialled, [BUSY]);
    await node.dialer.stop();
  });

  it('tries those once more that were passed over, when all others have failed', async () => {
    const node = new Far();
    const failing = node.dial.bind(node);
    node.dial = async (to, options) => {
      const dialling = failing(to, options);
      if (dialled.at(-1) !== BUSY) return dialling;
      dialling.catch(() => {});
      throw new Error('refused');
    };
    node.dialer.dial({ peer, addresses: [...SILENT.slice(0, 2), BUSY] });
    await pass(0);
    await pass(1500);
    await pass(1500);
    assert.deepEqual(dialled, [...SILENT.slice(0, 2), BUSY, SILENT.slice(0, 2).join(' ')]);
    await node.dialer.stop();
  });
});

describe('contacts of several who tell', () => {
  /** A node whose dials end when they are told to. */
  class Busy extends Node {
    readonly tried: string[] = [];
    readonly ends: (() => void)[] = [];

    override dial(to: unknown): Promise<Connection> {
      this.tried.push(String([to].flat()[0]).split('/p2p/')[0] as string);
      return new Promise((_, reject) => this.ends.push(() => reject(new Error('nobody there'))));
    }
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const at = (port: number): string => `/ip4/192.0.2.1/tcp/${port}`;
  let peers: string[];
  before(async () => {
    peers = await Promise.all(
      Array.from({ length: 200 }, async () =>
        peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString(),
      ),
    );
  });

  it('are dialled at once, whatever another one has made up', async () => {
    const node = new Busy();
    for (const [n, each] of peers.slice(1).entries())
      node.dialer.dial({ peer: each, addresses: [at(n + 2)] }, 'liar');
    await turn();
    assert.equal(node.tried.length, 6);
    node.dialer.dial({ peer: peers[0] as string, addresses: [at(1)] }, 'honest');
    await turn();
    assert.equal(node.tried.at(-1), at(1));
    node.dialer.dial({ peer: peers[0] as string, addresses: [at(1)] }, 'another');
    for (const end of node.ends) end();
    await turn();
    assert.equal(node.tried.filter((address) => address === at(1)).length, 1);
  });

  it('are dialled where they are, though another one says that they are elsewhere', async () => {
    const node = new Busy();
    const [peer = ''] = peers;
    node.dialer.dial({ peer, addresses: [at(2)] }, 'liar');
    node.dialer.dial({ peer, addresses: [at(2), at(1)] }, 'honest');
    await turn();
    assert.deepEqual(node.tried, [at(2)]);
    node.ends[0]?.();
    await turn();
    assert.deepEqual(node.tried, [at(2), at(1)]);
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
