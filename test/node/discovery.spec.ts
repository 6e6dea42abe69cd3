import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { IdentifyResult } from '@libp2p/interface';
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import type { SearchAttempt } from '../../src/errors.ts';
import type { Contact } from '../../src/swarm/core/messages.ts';
import { Announcer } from '../../src/node/announcer.ts';
import { Discovery, type SearchPlaces } from '../../src/node/discovery.ts';
import { attemptsOf } from '../../src/node/search-report.ts';
import { dhtProtocol, type ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

/** Neither a link nor an earlier run names anybody. */
const NOWHERE = { addresses: [], earlier: [] };

interface TestNode {
  libp2p: ShoalLibp2p;
  discovery: Discovery;
  address: string;
}

describe('Discovery', () => {
  const nodes: TestNode[] = [];

  async function start(
    options: { named?: string[]; network?: string; earlier?: TestNode; lookAgainMs?: number } = {},
  ): Promise<TestNode> {
    const network = options.network ?? 'test';
    const libp2p = await startBareNode({ network });
    const log = (): void => {};
    const announcer = new Announcer({ libp2p, network, log });
    const { named = [], earlier, lookAgainMs = 3_600_000 } = options;
    const earlierNodes = async (): Promise<Contact[]> => (earlier ? [contactOf(earlier)] : []);
    const parts = { libp2p, announcer, earlierNodes };
    const discovery = new Discovery({ ...parts, network, named, lookAgainMs, log });
    discovery.start();
    const node = { libp2p, discovery, address: String(libp2p.getMultiaddrs()[0]) };
    nodes.push(node);
    return node;
  }

  function contactOf(node: TestNode): Contact {
    return { peer: node.libp2p.peerId.toString(), addresses: [node.address.replace(/\/p2p\/.*/, '')] };
  }

  async function stop(node: TestNode): Promise<void> {
    nodes.splice(nodes.indexOf(node), 1);
    await node.discovery.stop();
    await node.libp2p.stop();
  }

  function firstProvider(node: TestNode, root = ROOT): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const done = new AbortController();
    node.discovery.search(
      root,
      NOWHERE,
      ([contact]) => {
        done.abort();
        resolve(contact?.peer ?? '');
      },
      () => false,
      done.signal,
    );
    return promise;
  }

  afterEach(async () => {
    await Promise.all([...nodes].map(stop));
  });

  it('finds a provider through a node that only passes the word on', async () => {
    const a = await start();
    a.discovery.provide(ROOT);
    const b = await start({ named: [a.address] });
    const c = await start({ named: [b.address] });
    assert.equal(await firstProvider(c), a.libp2p.peerId.toString());
  });

  it('lets a named peer stay where connections are closed, for as long as it is to', async () => {
    const a = await start();
    const b = await start({ named: [a.address] });
    const { peerStore } = b.libp2p;
    const isStaying = async (): Promise<boolean> => {
      const peers = await peerStore.all();
      return peers.some(({ tags }) => [...tags.keys()].some((tag) => tag.startsWith('shoal-stay')));
    };
    while (!(await isStaying())) await new Promise((resolve) => setImmediate(resolve));
    await b.discovery.stop();
    assert.ok(!(await isStaying()));
  });

  it('finds each of many roots that were announced together, also by who came later', async () => {
    const a = await start();
    const roots = Array.from({ length: 300 }, (_, i) =>
      cidOf(RAW_CODE, createHash('sha256').update(`${i}`).digest()),
    );
    for (const root of roots) a.discovery.provide(root);
    const b = await start({ named: [a.address] });
    const c = await start({ named: [b.address] });
    for (const root of [roots[0]!, roots[150]!, roots[299]!])
      assert.equal(await firstProvider(c, root), a.libp2p.peerId.toString());
    // They have been told to each node, and not only to who asks.
    const d = await start({ named: [c.address] });
    for (const root of [roots[7]!, roots[298]!])
      assert.equal(await firstProvider(d, root), a.libp2p.peerId.toString());
  });

  it('finds a later provider when the first has gone', async () => {
    const a = await start();
    a.discovery.provide(ROOT);
    const b = await start({ named: [a.address] });
    const c = await start({ named: [b.address] });
    assert.equal(await firstProvider(c), a.libp2p.peerId.toString());
    c.discovery.provide(ROOT);
    await stop(a);
    const d = await start({ named: [c.address] });
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = new AbortController();
    const isC = (peer: string | undefined): boolean => peer === c.libp2p.peerId.toString();
    d.discovery.search(
      ROOT,
      NOWHERE,
      (contacts) => contacts.some((each) => isC(each.peer)) && resolve(),
      () => false,
      done.signal,
    );
    await promise;
    done.abort();
  });

  it('never asks or answers a node of another network', async () => {
    const a = await start({ network: 'one' });
    a.discovery.provide(ROOT);
    const b = await start({ network: 'two', named: [a.address] });
    await connected(b);
    const done = new AbortController();
    const found: string[] = [];
    const report = b.discovery.search(
      ROOT,
      NOWHERE,
      (contacts) => found.push(...contacts.map((each) => each.peer)),
      () => false,
      done.signal,
    );
    while ((report.dht?.walks ?? 0) < 2) await new Promise((resolve) => setImmediate(resolve));
    done.abort();
    assert.deepEqual(found, []);
  });

  /** What is told of the ways in which ROOT was looked for, once it is told of each dial. */
  async function attempts(node: TestNode, places: SearchPlaces, dials: number): Promise<SearchAttempt[]> {
    const done = new AbortController();
    const state = node.discovery.search(
      ROOT,
      places,
      () => {},
      () => false,
      done.signal,
    );
    const all = [...state.named, ...state.targets];
    while (all.filter((each) => each.isReached || each.failures.size > 0).length < dials) await turn();
    const swarm = { connected: 0, members: 0, left: 0, failed: [] };
    const told = attemptsOf({ ...state, dhtPeers: state.dhtPeers, localPeers: state.localPeers, swarm });
    done.abort();
    return told;
  }

  it('says of each address why it could not be reached', async () => {
    const gone = await start();
    await stop(gone);
    const other = await start();
    const foreign = await start({ network: 'foreign' });
    const wrong = other.address.replace(/[^/]+$/, foreign.libp2p.peerId.toString());
    const a = await start({ named: [gone.address] });
    // As of a node elsewhere that listens on the same port.
    const here = a.address.replace(/[^/]+$/, other.libp2p.peerId.toString());
    const addresses = [here, wrong, foreign.address, '/ip4/127.0.0.1/tcp/1'];
    const [link, peers, earlier, , dht, mdns] = await attempts(
      a,
      { addresses, earlier: [{ peer: other.libp2p.peerId.toString(), addresses: ['/ip4/127.0.0.1/tcp/1'] }] },
      5,
    );
    assert.deepEqual(
      link?.failures.map(({ reason }) => reason),
      ['this-node', 'wrong-peer', 'refused'],
    );
    assert.deepEqual(peers?.failures, [
      { address: gone.address, reason: 'refused', message: 'nothing listens there' },
    ]);
    assert.equal(
      peers?.text,
      `named peers and bootstrap nodes: reached 0 of 1; ${gone.address}: nothing listens there`,
    );
    assert.equal(earlier?.tried, 1);
    assert.equal(dht?.text, 'DHT: no node of it is known');
    assert.equal(mdns?.text, 'local network: switched off');
  });

  it('tells a node of another network from one that cannot be reached', async () => {
    const foreign = await start({ network: 'foreign' });
    const a = await start();
    const identified = new Promise((resolve) =>
      a.libp2p.addEventListener('peer:identify', resolve, { once: true }),
    );
    await a.libp2p.dial(multiaddr(foreign.address));
    await identified;
    const [link] = await attempts(a, { addresses: [foreign.address], earlier: [] }, 1);
    assert.equal(link?.reached, 0);
    assert.equal(link?.failures[0]?.reason, 'other-network');
  });

  it('comes back to peers of earlier runs, each swarm having its turn', async () => {
    const a = await start();
    const b = await start();
    const c = await start();
    const dead = { peer: contactOf(c).peer, addresses: ['/ip4/127.0.0.1/tcp/1'] };
    const d = await start();
    d.discovery.rejoin([[dead, contactOf(a)], [contactOf(b)]]);
    for (const node of [a, b]) while (d.libp2p.getConnections(node.libp2p.peerId).length === 0) await turn();
  });

  it('does not wait for a peer of an earlier run that it has no transport for', async () => {
    const node = await start();
    const { libp2p } = node;
    const canDial = (): boolean => false;
    await using discovery = new Discovery({ libp2p, network: 'test', named: [], canDial, log: () => {} });
    const ended = AbortSignal.abort();
    const never = (): boolean => false;
    const places = { addresses: [], earlier: [contactOf(node), contactOf(await start())] };
    assert.deepEqual(discovery.search(ROOT, places, () => {}, never, ended).targets, []);
  });

  it('counts no node of the DHT that was gone before its introduction was noted', async () => {
    const [node, gone] = [await start(), await start()];
    const introduced = new Promise<CustomEvent<IdentifyResult>>((resolve) =>
      node.libp2p.addEventListener('peer:identify', resolve, { once: true }),
    );
    await node.libp2p.dial(multiaddr(gone.address));
    const { detail } = await introduced;
    await stop(gone);
    while (node.discovery.dhtPeers.size > 0) await turn();
    node.libp2p.dispatchEvent(new CustomEvent('peer:identify', { detail }));
    assert.equal(node.discovery.dhtPeers.size, 0);
  });

  it('comes back to a node of the DHT that was lost while others stayed, as one in the other half of a network', async () => {
    const [lost, other] = [await start(), await start()];
    const node = await start({ named: [other.address], earlier: lost, lookAgainMs: 20 });
    while (node.libp2p.getConnections(lost.libp2p.peerId).length === 0) await turn();
    await node.libp2p.hangUp(lost.libp2p.peerId);
    while (node.libp2p.getConnections(lost.libp2p.peerId).length === 0) await turn();
    assert.ok(node.libp2p.getConnections(other.libp2p.peerId).length > 0);
  });

  it('comes back to nodes of the DHT from earlier when the last one is gone', async () => {
    const [gone, earlier] = [await start(), await start()];
    const node = await start({ earlier });
    await node.libp2p.dial(multiaddr(gone.address));
    while (node.discovery.dhtPeers.size === 0) await turn();
    assert.equal(node.libp2p.getConnections(earlier.libp2p.peerId).length, 0);
    await stop(gone);
    while (node.libp2p.getConnections(earlier.libp2p.peerId).length === 0) await turn();
  });
});

describe('Discovery of the nodes of a DHT', () => {
  it('takes nobody for new who introduces itself again', async () => {
    const libp2p = Object.assign(new EventTarget(), {
      peerId: 'self',
      services: {},
      getConnections: () => [{}],
    });
    const came: number[] = [];
    const announcer = {
      start() {},
      memberCame: (n: number) => came.push(n),
      memberLeft() {},
      async stop() {},
    };
    await using discovery = new Discovery({
      libp2p: libp2p as unknown as ShoalLibp2p,
      announcer: announcer as unknown as Announcer,
      network: 'test',
      named: [],
      log: () => {},
    });
    discovery.start();
    const tell = (name: string, detail: unknown): unknown =>
      libp2p.dispatchEvent(new CustomEvent(name, { detail }));
    const introduces = (peerId: string, connection: object = {}): unknown =>
      tell('peer:identify', { peerId, protocols: [dhtProtocol('test')], connection });
    const throughRelay = { limits: {} };
    introduces('a', throughRelay);
    assert.deepEqual(came, []);
    // Also whenever its addresses change, and on each connection.
    for (const peer of ['a', 'a', 'b', 'a']) introduces(peer);
    assert.deepEqual(came, [1, 2]);
    tell('peer:disconnect', 'a');
    introduces('a');
    assert.deepEqual(came, [1, 2, 2]);
  });
});

describe('Discovery of what several look for at once', () => {
  it('walks the DHT once for all of them, until the last has enough', async () => {
    const walks: AbortSignal[] = [];
    const dht = {
      async *findProviders(_root: CID, { signal }: { signal: AbortSignal }) {
        walks.push(signal);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    };
    const libp2p = { peerId: 'self', services: { dht }, getConnections: () => [] };
    const options = { network: 'test', named: [], log: () => {} };
    await using discovery = new Discovery({ libp2p: libp2p as unknown as ShoalLibp2p, ...options });
    const look = (root: CID): AbortController => {
      const done = new AbortController();
      discovery.search(
        root,
        NOWHERE,
        () => {},
        () => false,
        done.signal,
      );
      return done;
    };
    const readers = Array.from({ length: 20 }, () => look(ROOT));
    while (walks.length === 0) await turn();
    const other = look(cidOf(RAW_CODE, new Uint8Array(32)));
    while (walks.length === 1) await turn();
    const late = look(ROOT);
    for (const reader of readers) reader.abort();
    await turn();
    assert.deepEqual(walks.map(({ aborted }) => aborted), [false, false]); // prettier-ignore
    late.abort();
    assert.deepEqual(walks.map(({ aborted }) => aborted), [true, false]); // prettier-ignore
    other.abort();
    // Who comes when all have gone has a search of its own.
    const again = look(ROOT);
    while (walks.length === 2) await turn();
    again.abort();
    assert.equal(walks.length, 3);
  });
});

describe('peers of earlier runs', () => {
  afterEach(() => mock.timers.reset());

  it('have their turn by and by, where those before them are gone, and no more come than are of use', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const ids = await Promise.all(
      Array.from({ length: 200 }, async () =>
        peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString(),
      ),
    );
    const gone = new Set(ids.slice(0, 70));
    const back = new Set<string>();
    const libp2p = {
      peerId: 'self',
      services: {},
      getMultiaddrs: () => [],
      dial: async (address: Multiaddr) => {
        const peer = address.getComponents().at(-1)?.value ?? '';
        if (gone.has(peer)) throw new Error('ECONNREFUSED');
        back.add(peer);
        return { remotePeer: peer };
      },
    };
    const options = { network: 'test', named: [], log: () => {} };
    await using discovery = new Discovery({ libp2p: libp2p as unknown as ShoalLibp2p, ...options });
    discovery.rejoin([ids.map((peer) => ({ peer, addresses: ['/ip4/192.0.2.1/tcp/4001'] }))]);
    const after = async (min: number): Promise<number> => {
      for (let sec = 0; sec < min * 60; sec += 5) {
        mock.timers.tick(5000);
        for (let n = 0; n < 3; n++) await turn();
      }
      return back.size;
    };
    assert.equal(await after(1), 0);
    assert.equal(await after(60), 60);
    gone.clear();
    assert.equal(await after(30), 60);
  });
});

async function connected(node: TestNode): Promise<void> {
  if (node.libp2p.getConnections().length > 0) return;
  await new Promise((resolve) => node.libp2p.addEventListener('peer:connect', resolve, { once: true }));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
