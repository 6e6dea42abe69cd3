import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mock } from 'node:test';
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { Connection, Libp2p, PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { createLibp2pNode } from '../../src/node/libp2p-node.ts';
import { closeSpareConnections, letStay, type CrowdedNode } from '../../src/node/spare-connections.ts';
import { libp2pNode, until } from '../integration/swarm-node.ts';

const MAXIMUM = 3;

interface Traits {
  streams?: string[];
  tag?: string;
  ageSec?: number;
  peer?: PeerId;
}

/** A node of which only connections are known, on a clock of its own. */
class Node extends EventTarget {
  nowMs = 1_000_000;
  readonly closed: string[] = [];
  readonly #connections = new Map<string, Connection>();
  readonly #tags = new Map<string, Map<string, unknown>>();
  readonly peerStore = {
    get: async (peer: PeerId) => ({ tags: this.#tags.get(peer.toString()) ?? new Map<string, unknown>() }),
  };

  constructor() {
    super();
    closeSpareConnections(this as unknown as CrowdedNode, MAXIMUM, () => this.nowMs);
  }

  get names(): string {
    return [...this.#connections.keys()].join(' ');
  }

  getConnections(peer?: PeerId): Connection[] {
    return [...this.#connections.values()].filter((each) => !peer || each.remotePeer.equals(peer));
  }

  /** Connections as they were before anybody counted them. */
  async has(traits: Record<string, Traits>): Promise<this> {
    for (const [name, { streams = [], tag, ageSec = 60, peer = await newPeer() }] of Object.entries(traits)) {
      if (tag) this.#tags.set(peer.toString(), new Map([[tag, {}]]));
      const connection = {
        remotePeer: peer,
        status: 'open',
        streams: streams.map((protocol) => ({ protocol })),
        timeline: { open: this.nowMs - ageSec * 1000 },
        close: async () => {
          await settled();
          this.closed.push(name);
          this.#connections.delete(name);
        },
      };
      this.#connections.set(name, connection as unknown as Connection);
    }
    return this;
  }

  /** Another one comes. */
  async comes(name: string): Promise<void> {
    await this.has({ [name]: { ageSec: 0 } });
    this.dispatchEvent(new Event('connection:open'));
    await settled();
    await settled();
  }
}

async function newPeer(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Connections beyond the maximum', () => {
  it('are closed where they carry nothing, the oldest first, and none at the maximum', async () => {
    const node = await new Node().has({ a: { ageSec: 40 }, b: { ageSec: 50 } });
    await node.comes('c');
    assert.equal(node.names, 'a b c');
    await node.comes('d');
    assert.equal(node.names, 'a c d');
    await node.comes('e');
    assert.equal(node.names, 'c d e');
  });

  it('are closed though the clock was set back since they were opened', async () => {
    const node = await new Node().has({ a: { ageSec: 50 }, b: { ageSec: 40 }, c: { ageSec: 60 } });
    node.nowMs -= 3_600_000;
    await node.comes('d');
    assert.equal(node.closed.length, 1);
    assert.ok(!node.closed.includes('d'));
  });

  it('stay where they are in use: by Shoal, or by anybody', async () => {
    const node = await new Node().has({
      linked: { streams: ['/shoal/test/control/1', '/shoal/test/data/1'] },
      relaying: { streams: ['/libp2p/circuit/relay/0.2.0/hop'] },
      idle: { ageSec: 40 },
    });
    await node.comes('d');
    assert.deepEqual(node.closed, ['idle']);
  });

  it('stay where another connection of the peer is in use', async () => {
    const peer = await newPeer();
    const node = await new Node().has({
      linked: { peer, streams: ['/shoal/test/control/1'] },
      second: { peer },
      idle: { ageSec: 40 },
    });
    await node.comes('d');
    assert.deepEqual(node.closed, ['idle']);
  });

  it('stay where the peer is to: on a relay, as its relay, and those that this node keeps connected', async () => {
    const node = await new Node().has({
      relay: { tag: 'keep-alive-circuit-relay' },
      relayed: { tag: 'circuit-relay-source' },
      named: { tag: 'shoal-stay' },
      neighbour: { tag: 'kad-peer', ageSec: 40 },
    });
    await node.comes('e');
    assert.deepEqual(node.closed, ['neighbour']);
    await node.comes('f');
    assert.equal(node.names, 'relay relayed named e f');
  });

  it('have time to greet, and are looked at again after it', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const node = await new Node().has({ a: { ageSec: 2 }, b: { ageSec: 1 }, c: { ageSec: 1 } });
      await node.comes('d');
      assert.equal(node.names, 'a b c d');
      for (let sec = 5; sec <= 30; sec += 5) {
        node.nowMs += 5000;
        mock.timers.tick(5000);
        await settled();
        await settled();
      }
      assert.equal(node.names, 'b c d');
    } finally {
      mock.timers.reset();
    }
  });

  it('are those above 300 of a node', async () => {
    const node = await createLibp2pNode({
      identity: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
      listen: [],
      network: 'test',
      mdns: false,
      dht: false,
      isBanned: () => false,
      onLocalPeer: () => {},
    });
    const traits: Traits = { peer: await newPeer() };
    const crowd = await new Node().has(
      Object.fromEntries(Array.from({ length: 302 }, (_, n) => [n, traits])),
    );
    crowd.nowMs = Date.now();
    node.getConnections = () => crowd.getConnections();
    node.dispatchEvent(new CustomEvent('connection:open'));
    await until(() => crowd.closed.length > 1);
    assert.deepEqual(crowd.closed, ['0', '1']);
  });

  it('of real nodes make room for newcomers, whom libp2p would refuse, save those that are to stay', async () => {
    await using stack = new AsyncDisposableStack();
    const start = async (): Promise<Libp2p> => {
      const node = await libp2pNode();
      stack.defer(async () => node.stop());
      return node;
    };
    const hub = await start();
    let sinceMs = 0;
    closeSpareConnections(hub, MAXIMUM, () => Date.now() + sinceMs);
    const others = await Promise.all(Array.from({ length: MAXIMUM + 1 }, start));
    const [named, oldest, , newcomer] = others as [Libp2p, Libp2p, Libp2p, Libp2p];
    const ending = Promise.withResolvers<void>();
    let staying: Promise<void> | undefined;
    for (const other of others.slice(0, MAXIMUM)) {
      await other.dial(hub.getMultiaddrs());
      await until(() => hub.getConnections(other.peerId).length === 1);
      staying ??= letStay(hub, named.peerId, ending.promise);
    }
    await until(() => hub.getConnections().every(({ streams }) => streams.length === 0));
    sinceMs = 60_000;
    const closed = once(hub, 'peer:disconnect');
    await newcomer.dial(hub.getMultiaddrs());
    const [event] = (await closed) as [CustomEvent<PeerId>];
    assert.equal(event.detail.toString(), oldest.peerId.toString());
    assert.equal(hub.getConnections().length, MAXIMUM);
    ending.resolve();
    await staying;
    const { tags } = await hub.peerStore.get(named.peerId);
    assert.deepEqual([...tags.keys()], []);
  });

  it('notes a peer once that many want to stay, and until the last of them does no more', async () => {
    const [peer, other] = await Promise.all([newPeer(), newPeer()]);
    const noted: string[] = [];
    const merge = async (of: PeerId, { tags = {} }: { tags?: object }): Promise<never> => {
      const [[name, value]] = Object.entries(tags) as [[string, unknown]];
      noted.push(`${of.equals(peer) ? 'peer' : 'other'} ${name} ${value ? 'stays' : 'may go'}`);
      return undefined as never;
    };
    const node = { peerStore: { merge } };
    const ends = Array.from({ length: 100 }, () => Promise.withResolvers<void>());
    const staying = ends.map(({ promise }) => letStay(node, peer, promise));
    const another = letStay(node, other, Promise.resolve());
    for (const { resolve } of ends.slice(1)) resolve();
    await Promise.all([another, ...staying.slice(1)]);
    const before = ['peer shoal-stay stays', 'other shoal-stay stays', 'other shoal-stay may go'];
    assert.deepEqual(noted, before);
    ends[0]?.resolve();
    await staying[0];
    assert.deepEqual(noted, [...before, 'peer shoal-stay may go']);
    await letStay(node, peer, Promise.resolve());
    assert.deepEqual(noted.slice(-2), ['peer shoal-stay stays', 'peer shoal-stay may go']);
  });
});
