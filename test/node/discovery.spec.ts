import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { Discovery } from '../../src/node/discovery.ts';
import { createLibp2pNode, startLibp2pNode, type ShoalLibp2p } from '../../src/node/libp2p-node.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

interface TestNode {
  libp2p: ShoalLibp2p;
  discovery: Discovery;
  address: string;
}

describe('Discovery', () => {
  const nodes: TestNode[] = [];

  async function start(options: { named?: string[]; network?: string } = {}): Promise<TestNode> {
    const network = options.network ?? 'test';
    const listen = ['/ip4/127.0.0.1/tcp/0'];
    const libp2p = await createLibp2pNode({
      identity: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
      listen,
      network,
      mdns: false,
      dht: true,
      isBanned: () => false,
      onLocalPeer: () => assert.fail('mDNS is off'),
    });
    await startLibp2pNode(libp2p, listen);
    const discovery = new Discovery({ libp2p, network, named: options.named ?? [], log: () => {} });
    discovery.start();
    const node = { libp2p, discovery, address: String(libp2p.getMultiaddrs()[0]) };
    nodes.push(node);
    return node;
  }

  async function stop(node: TestNode): Promise<void> {
    nodes.splice(nodes.indexOf(node), 1);
    await node.discovery.stop();
    await node.libp2p.stop();
  }

  function firstProvider(node: TestNode): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const done = new AbortController();
    node.discovery.search(
      ROOT,
      ([contact]) => {
        done.abort();
        resolve(contact?.peer ?? '');
      },
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
    d.discovery.search(ROOT, (contacts) => contacts.some((each) => isC(each.peer)) && resolve(), done.signal);
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
      (contacts) => found.push(...contacts.map((each) => each.peer)),
      done.signal,
    );
    while (report.dhtWalks < 2) await new Promise((resolve) => setImmediate(resolve));
    done.abort();
    assert.deepEqual(found, []);
  });

  it('says which named peer it cannot reach, and why', async () => {
    const gone = await start();
    await stop(gone);
    const a = await start({ named: [gone.address] });
    const done = new AbortController();
    const report = a.discovery.search(ROOT, () => {}, done.signal);
    while (report.unreachable.length === 0) await new Promise((resolve) => setImmediate(resolve));
    done.abort();
    assert.deepEqual(report.unreachable, [`${gone.address} (nothing listens there)`]);
  });
});

async function connected(node: TestNode): Promise<void> {
  if (node.libp2p.getConnections().length > 0) return;
  await new Promise((resolve) => node.libp2p.addEventListener('peer:connect', resolve, { once: true }));
}
