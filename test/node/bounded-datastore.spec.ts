import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Key } from 'interface-datastore/key';
import { ProtoWriter } from '../../src/integrity/proto-writer.ts';
import { BoundedDatastore, DEFAULT_BOUNDS } from '../../src/node/bounded-datastore.ts';
import { dhtProtocol, type ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

/** Good also as a peer's record: `updated`, and no address. */
const VALUE = new ProtoWriter().uint(8, 3).finish();

const provider = (root: number, peer: string): Key => new Key(`/dht/provider/root${root}/${peer}`);
const peerKey = (peer: string): Key => new Key(`/peers/${peer}`);

/** The names of all that begin so, without that. */
async function names(store: BoundedDatastore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of store.queryKeys({ prefix })) found.push(key.toString().slice(prefix.length));
  return found;
}

describe('BoundedDatastore', () => {
  it('gives back what was put, replaces it, and forgets what is deleted', async () => {
    const store = new BoundedDatastore();
    for (const key of [provider(1, 'A'), peerKey('A'), new Key('/own')]) {
      assert.throws(() => store.get(key), { name: 'NotFoundError' });
      store.put(key, VALUE);
      store.put(key, Uint8Array.of(4));
      assert.deepEqual(store.get(key), Uint8Array.of(4));
      assert.ok(store.has(key));
      store.delete(key);
      assert.ok(!store.has(key));
    }
    for (const prefix of ['', '/peers/', '/dht/provider/']) assert.deepEqual(await names(store, prefix), []);
  });

  it('finds all that begin so, of one root and of all, with their values', async () => {
    const store = new BoundedDatastore();
    for (const key of [provider(1, 'A'), provider(1, 'B'), provider(2, 'A'), peerKey('A'), new Key('/own')])
      store.put(key, VALUE);
    assert.deepEqual(await names(store, '/dht/provider/root1'), ['/A', '/B']);
    assert.deepEqual(await names(store, '/dht/provider'), ['/root1/A', '/root1/B', '/root2/A']);
    assert.deepEqual(await names(store, '/peers/'), ['A']);
    assert.deepEqual(await names(store, '/pe'), ['ers/A']);
    assert.deepEqual(await names(store, '/dht/provider/root3'), []);
    assert.equal((await names(store, '')).length, 5);
    for await (const { key, value } of store.query({ prefix: '/dht/provider/root2' })) {
      assert.equal(key.toString(), '/dht/provider/root2/A');
      assert.deepEqual(value, VALUE);
    }
  });

  it('looks at no others for a root that nobody announced', async () => {
    const store = new BoundedDatastore();
    for (let root = 0; root < 100; root++) store.put(provider(root, 'A'), VALUE);
    for await (const { key } of store._all({ prefix: '/dht/provider/root100' })) assert.fail(key.toString());
    assert.deepEqual([...store._allKeys({ prefix: '/dht/provider/root100' })], []);
  });

  it('lets others have their turn while all are looked through, and leaves out what goes meanwhile', async () => {
    const store = new BoundedDatastore();
    for (let root = 0; root < 2000; root++) store.put(provider(root, 'A'), VALUE);
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      if (++turns === 1) store.delete(provider(1999, 'A'));
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    let found = 0;
    for await (const _ of store.query({ prefix: '/dht/provider' })) found++;
    isOver = true;
    assert.ok(turns > 5, `${turns} turns`);
    assert.equal(found, 1999);
  });

  it('keeps so many announcements, and who floods it pushes out its own', async () => {
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, providers: 100 });
    for (let root = 0; root < 40; root++) store.put(provider(root, 'honest'), VALUE);
    for (let root = 0; root < 5000; root++) store.put(provider(root, 'flood'), VALUE);
    const kept = await names(store, '/dht/provider/');
    assert.equal(kept.length, 100);
    assert.equal(kept.filter((each) => each.endsWith('/honest')).length, 40);
    assert.ok(kept.includes('root4999/flood'));
  });

  it('has room for somebody new where one has taken all, the oldest going first', async () => {
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, providers: 10 });
    for (let root = 0; root < 10; root++) store.put(provider(root, 'first'), VALUE);
    // Announced anew, it is the newest.
    store.put(provider(0, 'first'), VALUE);
    for (let root = 0; root < 3; root++) store.put(provider(root, 'second'), VALUE);
    const kept = await names(store, '/dht/provider/');
    assert.equal(kept.length, 10);
    assert.deepEqual(
      kept.filter((each) => each.endsWith('/second')),
      ['root0/second', 'root1/second', 'root2/second'],
    );
    assert.ok(kept.includes('root0/first'));
    assert.ok(!kept.includes('root1/first'));
  });

  it('takes no room from others for somebody new, though who has most announced all of that anew', async () => {
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, providers: 100 });
    for (let root = 0; root < 5; root++) store.put(provider(root, 'honest'), VALUE);
    for (let root = 0; root < 200; root++) store.put(provider(root, 'flood'), VALUE);
    for (let root = 105; root < 200; root++) store.put(provider(root, 'flood'), VALUE);
    for (let root = 0; root < 20; root++) store.put(provider(root, 'late'), VALUE);
    const kept = await names(store, '/dht/provider/');
    assert.equal(kept.length, 100);
    assert.equal(kept.filter((each) => each.endsWith('/honest')).length, 5);
    assert.equal(kept.filter((each) => each.endsWith('/late')).length, 20);
  });

  it('has room for somebody new where as many as are kept have announced one thing each, the oldest going first', () => {
    const providers = 50;
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, providers });
    for (let n = 0; n < 120; n++) store.put(provider(n, `peer${n}`), VALUE);
    for (let n = 0; n < 120; n++) assert.equal(store.has(provider(n, `peer${n}`)), n >= 70);
  });

  it('makes room where most is, whatever comes and goes', async () => {
    const providers = 30;
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, providers });
    const counts = async (): Promise<Map<string, number>> => {
      const found = new Map<string, number>();
      for (const name of await names(store, '/dht/provider')) {
        const peer = name.split('/')[2] as string;
        found.set(peer, (found.get(peer) ?? 0) + 1);
      }
      return found;
    };
    let state = 1;
    const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let step = 0; step < 600; step++) {
      const before = await counts();
      const peer = `peer${random(8)}`;
      const key = provider(random(40), peer);
      const isNew = !store.has(key);
      if (random(5) === 0) store.delete(key);
      else store.put(key, VALUE);
      const after = await counts();
      const all = [...after.values()].reduce((sum, count) => sum + count, 0);
      assert.ok(all <= providers, `${all} at step ${step}`);
      const loser = [...before].find(([name, count]) => name !== peer && (after.get(name) ?? 0) < count);
      if (!loser || !isNew) continue;
      const others = [...before].filter(([name]) => name !== peer).map(([, count]) => count);
      assert.equal(loser[1], Math.max(...others), `step ${step}`);
    }
  });

  it('keeps so many peers and so many bytes of them, and those that are connected', async () => {
    const store = new BoundedDatastore({ ...DEFAULT_BOUNDS, peers: 20, peerBytes: 5000 });
    store.hold('friend');
    store.put(peerKey('friend'), VALUE);
    for (let n = 0; n < 1000; n++) store.put(peerKey(`p${n}`), VALUE);
    const kept = await names(store, '/peers/');
    assert.equal(kept.length, 20);
    assert.ok(kept.includes('friend') && kept.includes('p999'));
    for (let n = 0; n < 10; n++) store.put(peerKey(`large${n}`), new Uint8Array(1000));
    assert.deepEqual(new Set(await names(store, '/peers/')).has('friend'), true);
    let bytes = 0;
    for await (const { value } of store.query({ prefix: '/peers/' })) bytes += value.byteLength;
    assert.ok(bytes <= 5000, `${bytes} bytes`);
    store.release('friend');
    for (let n = 0; n < 20; n++) store.put(peerKey(`q${n}`), VALUE);
    assert.ok(!(await names(store, '/peers/')).includes('friend'));
  });

  it('takes no record of any length, no values of others, and little else', () => {
    const store = new BoundedDatastore();
    assert.throws(() => store.put(peerKey('A'), new Uint8Array(1 << 20)), RangeError);
    assert.throws(() => store.put(provider(1, 'A'.repeat(1000)), VALUE), RangeError);
    assert.throws(() => store.put(new Key('/dht/record/abc'), VALUE), RangeError);
    assert.throws(() => {
      for (let n = 0; n < 10_000; n++) store.put(new Key(`/own/${n}`), VALUE);
    }, RangeError);
  });
});

describe('what a node keeps of what peers tell it', () => {
  const nodes: ShoalLibp2p[] = [];
  async function start(): Promise<ShoalLibp2p> {
    const node = await startBareNode();
    nodes.push(node);
    return node;
  }
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async (node) => node.stop()));
  });

  /** ADD_PROVIDER of a peer that says it has these addresses. */
  function announcement(peer: ShoalLibp2p, root: number, addresses: readonly string[]): Uint8Array {
    const info = new ProtoWriter(1 << 18).bytes(1, peer.peerId.toMultihash().bytes);
    for (const address of addresses) info.bytes(2, multiaddr(address).bytes);
    const digest = createHash('sha256').update(`${root}`).digest();
    const key = Buffer.concat([Buffer.of(0x12, 0x20), digest]);
    return new ProtoWriter(1 << 18).uint(1, 2).bytes(2, key).bytes(9, info.finish()).frame();
  }

  const ended = (stream: Stream): Promise<void> =>
    new Promise((resolve) => stream.addEventListener('close', () => resolve()));

  it('is bounded also where one announces itself under thousands of addresses', async () => {
    const [node, peer] = [await start(), await start()];
    const connection = await peer.dial(node.getMultiaddrs()[0]!);
    const stream = await connection.newStream(dhtProtocol('test'));
    const addresses = Array.from({ length: 3000 }, (_, n) => `/ip4/192.0.${n >> 8}.${n & 255}/tcp/4001`);
    const closed = ended(stream);
    stream.send(announcement(peer, 1, addresses));
    // It is too much to be kept, and the stream on which it came is reset.
    await closed;
    const known = await node.peerStore.get(peer.peerId);
    assert.ok(known.addresses.length < 100, `${known.addresses.length} addresses`);
  });

  it('never leads it to a socket of other programs on its machine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-unix-'));
    let came = 0;
    const other = createServer((socket) => {
      came++;
      socket.destroy();
    });
    const path = join(folder, 'other.sock');
    await new Promise<void>((resolve) => other.listen(path, resolve));
    try {
      const node = await start();
      const stranger = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
      const address = multiaddr(`/unix/${encodeURIComponent(path)}/p2p/${stranger.toString()}`);
      await assert.rejects(node.dial(address), { name: 'DialDeniedError' });
      assert.equal(came, 0);
    } finally {
      other.close();
      await rm(folder, { recursive: true });
    }
  });
});
