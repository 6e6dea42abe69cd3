import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { CID } from 'multiformats/cid';
import { ContactBook, type SeenPeer } from '../../src/node/contact-book.ts';
import { keepPorts, withKnownPorts } from '../../src/node/listen-ports.ts';
import type { Store } from '../../src/store/store.ts';

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');
const DAY_MS = 24 * 3_600_000;

/** The settings of a data folder, in memory. */
function settings(): Store & { all: Map<string, Uint8Array> } {
  const all = new Map<string, Uint8Array>();
  const getSetting = async (key: string): Promise<Uint8Array | undefined> => all.get(key);
  const putSetting = async (key: string, value: Uint8Array | undefined): Promise<void> => {
    if (value) all.set(key, value);
    else all.delete(key);
  };
  return { all, getSetting, putSetting } as unknown as Store & { all: Map<string, Uint8Array> };
}

function peer(n: number, gave = false): SeenPeer {
  return { peer: `peer${n}`, addresses: [`/ip4/192.0.2.${n % 250}/tcp/4001`], gave };
}

describe('ContactBook', () => {
  let nowMs = 1_800_000_000_000;
  const bookOf = (store: Store, network = 'main'): ContactBook =>
    new ContactBook(store, network, () => nowMs);
  const names = async (book: ContactBook): Promise<string[]> =>
    (await book.contacts(ROOT)).map((contact) => contact.peer);

  it('gives back who was seen, those that gave first, then the newest', async () => {
    const store = settings();
    const book = bookOf(store);
    await book.seen(ROOT, [peer(1, true), peer(2)]);
    nowMs += 1000;
    await book.seen(ROOT, [peer(3), peer(4, true)]);
    assert.deepEqual(await names(bookOf(store)), ['peer4', 'peer1', 'peer3', 'peer2']);
  });

  it('keeps thirty, and who gave is not pushed out by any number that only came by', async () => {
    const book = bookOf(settings());
    await book.seen(ROOT, [peer(1, true)]);
    nowMs += 1000;
    await book.seen(
      ROOT,
      Array.from({ length: 100 }, (_, i) => peer(10 + i)),
    );
    const kept = await names(book);
    assert.equal(kept.length, 30);
    assert.equal(kept[0], 'peer1');
  });

  it('keeps a few addresses of bounded length, and nobody without any', async () => {
    const book = bookOf(settings());
    const many = Array.from({ length: 20 }, (_, i) => `/ip4/192.0.2.${i}/tcp/1`);
    await book.seen(ROOT, [
      { peer: 'many', addresses: ['/dns4/'.padEnd(10_000, 'x'), ...many], gave: true },
      { peer: 'none', addresses: [], gave: true },
    ]);
    assert.deepEqual(await book.contacts(ROOT), [{ peer: 'many', addresses: many.slice(0, 4) }]);
  });

  it('forgets who has not been seen for a month, and what is removed', async () => {
    const store = settings();
    const book = bookOf(store);
    await book.seen(ROOT, [peer(1)]);
    nowMs += 20 * DAY_MS;
    await book.seen(ROOT, [peer(2)]);
    nowMs += 11 * DAY_MS;
    assert.deepEqual(await names(book), ['peer2']);
    await book.forget(ROOT);
    assert.equal(store.all.size, 0);
  });

  it('lets those that were seen while the clock was ahead make room, and forgets them in time', async () => {
    const book = bookOf(settings());
    nowMs += 400 * DAY_MS;
    await book.seen(
      ROOT,
      Array.from({ length: 30 }, (_, i) => peer(i)),
    );
    nowMs -= 400 * DAY_MS;
    assert.equal((await names(book)).length, 30);
    await book.seen(ROOT, [peer(100)]);
    nowMs += 1000;
    await book.seen(ROOT, [peer(101)]);
    assert.deepEqual((await names(book)).slice(0, 2), ['peer101', 'peer100']);
    nowMs += 16 * DAY_MS;
    assert.deepEqual(await names(book), ['peer101', 'peer100']);
  });

  it('keeps nodes of the DHT that are gone beside as many that are connected, however often these are noted', async () => {
    const book = bookOf(settings());
    const part = (from: number): SeenPeer[] => Array.from({ length: 20 }, (_, i) => peer(from + i));
    const kept = async (): Promise<string[]> => (await book.dhtPeers()).map((contact) => contact.peer);
    await book.seenInDht(part(0));
    // The line to those is down.
    for (let times = 0; times < 3; times++) {
      nowMs += 600_000;
      await book.seenInDht(part(100));
    }
    const named = await kept();
    for (const { peer: name } of [...part(0), ...part(100)]) assert.ok(named.includes(name), name);
    for (let from = 200; from < 300; from += 20) {
      nowMs += 600_000;
      await book.seenInDht(part(from));
    }
    assert.equal((await kept()).length, 40);
  });

  it('does not mix networks', async () => {
    const store = settings();
    await bookOf(store, 'one').seen(ROOT, [peer(1)]);
    await bookOf(store, 'two').seen(ROOT, [peer(2)]);
    assert.deepEqual(await names(bookOf(store, 'one')), ['peer1']);
    assert.deepEqual(await names(bookOf(store, 'two')), ['peer2']);
  });

  it('keeps whom one network comes back by, whoever is met in another', async () => {
    const store = settings();
    const [main, other] = [bookOf(store), bookOf(store, 'other')];
    const longest = (n: number): SeenPeer => ({
      peer: `peer${n}`.padEnd(52, 'x'),
      addresses: Array.from({ length: 4 }, () => `/dns4/${'x'.repeat(250)}`),
      gave: true,
    });
    const some = Array.from({ length: 40 }, (_, n) => longest(n));
    await main.seen(ROOT, some.slice(0, 30));
    for (const part of [some.slice(0, 20), some.slice(20)]) await main.seenInDht(part);
    nowMs += 1000;
    await other.seen(ROOT, some);
    for (const part of [some.slice(0, 20), some.slice(20)]) await other.seenInDht(part);
    for (const book of [main, other]) {
      assert.equal((await book.contacts(ROOT)).length, 30);
      assert.equal((await book.dhtPeers()).length, 40);
    }
  });

  it('takes a record it cannot read for none', async () => {
    const store = settings();
    for (const text of ['{', '{}', '[1, null, {"peer": 3}]', `[${' '.repeat(100_000)}]`]) {
      await store.putSetting(`contacts/${ROOT.toString()}`, new TextEncoder().encode(text));
      assert.deepEqual(await names(bookOf(store)), []);
    }
  });
});

describe('the ports a node listens on', () => {
  it('are the last ones where the address leaves them open, unless somebody else has them', async () => {
    const store = settings();
    const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/4001'];
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await keepPorts(store, listen, [`/ip4/127.0.0.1/tcp/4001/p2p/x`, `/ip4/127.0.0.1/tcp/${port}/p2p/x`]);
    assert.deepEqual(await withKnownPorts(store, listen), listen);
    server.close();
    await once(server, 'close');
    assert.deepEqual(await withKnownPorts(store, listen), [`/ip4/127.0.0.1/tcp/${port}`, listen[1]]);
    assert.deepEqual(await withKnownPorts(store, ['/ip6/::/tcp/0']), ['/ip6/::/tcp/0']);
  });

  it('are free over UDP too, where WebRTC would take one that is free over TCP', async () => {
    const [address] = await withKnownPorts(settings(), ['/ip4/127.0.0.1/udp/0/webrtc-direct']);
    const port = Number(/^\/ip4\/127\.0\.0\.1\/udp\/(\d+)\/webrtc-direct$/.exec(address ?? '')?.[1]);
    assert.ok(port > 0, address);
    const socket = createSocket('udp4').bind(port, '127.0.0.1');
    await once(socket, 'listening');
    socket.close();
  });
});
