import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createShoal } from '../../src/index.ts';
import { collect, pseudoRandomBytes, TestNodes } from './test-nodes.ts';

describe('a node that serves pages', () => {
  let nodes: TestNodes;
  beforeEach(async () => {
    nodes = await TestNodes.create();
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  it('has the same addresses after a restart, in the same process too', async () => {
    const dataDir = nodes.path('data');
    const first = await nodes.start({ dataDir, web: true });
    const { addresses } = first;
    assert.equal(addresses.length, 3);
    assert.match(addresses[0] ?? '', /\/tcp\/\d+\/p2p\//);
    assert.match(addresses[1] ?? '', /\/udp\/\d+\/webrtc-direct\/certhash\/uEi[\w-]+\/p2p\//);
    assert.match(addresses[2] ?? '', /\/tcp\/\d+\/ws\/p2p\//);
    await first.close();
    const again = await nodes.start({ dataDir, web: true });
    assert.deepEqual(again.addresses, addresses);
  });

  it('gives back every port when it closes', async () => {
    // What libdatachannel leaves uninitialised is wrong only where its memory was used before: more than once shows it.
    for (let round = 0; round < 5; round++) {
      const node = await nodes.start({ web: true, dht: false });
      const port = Number(/\/udp\/(\d+)\//.exec(node.addresses.join(' '))?.[1]);
      assert.ok(port > 0);
      await node.close();
      const socket = createSocket('udp4');
      socket.bind({ address: '127.0.0.1', port, exclusive: true });
      await once(socket, 'listening');
      await new Promise<void>((resolve) => socket.close(resolve));
    }
  });

  it('puts the addresses for pages into links, which other nodes use as ever', async () => {
    const bytes = pseudoRandomBytes(300_000);
    await writeFile(nodes.path('a.bin'), bytes);
    const seed = await nodes.start({ web: true });
    const { link } = await seed.share(nodes.path('a.bin'));
    assert.match(link, /\/webrtc-direct\//);
    assert.match(link, /\/ws\//);
    const other = await nodes.start({ dht: false });
    const asset = await other.open(link);
    assert.ok((await collect(asset.stream())).equals(bytes));
  });

  it('gives another node over WebSocket or webrtc-direct alone, too', async () => {
    const bytes = pseudoRandomBytes(300_000);
    const seed = await nodes.start({ web: true });
    const { cid } = await seed.share(bytes);
    for (const way of ['/ws/', '/webrtc-direct/']) {
      const other = await nodes.start({ web: true, dht: false });
      const address = seed.addresses.find((each) => each.includes(way));
      const asset = await other.open(`shoal:${cid}?a=${address}`);
      assert.ok((await collect(asset.stream())).equals(bytes));
    }
  });

  it('listens where it is told to, without listening elsewhere', async () => {
    await using node = await createShoal({
      dataDir: nodes.path('ws'),
      listen: ['/ip4/127.0.0.1/tcp/0/ws'],
      mdns: false,
    });
    assert.equal(node.addresses.length, 1);
    assert.match(node.addresses[0] ?? '', /\/ws\//);
  });

  it('listens for no page unless it was told to', async () => {
    const node = await nodes.start();
    assert.equal(node.addresses.length, 1);
  });
});
