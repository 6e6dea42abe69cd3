import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../../src/browser.ts';
import { Scene, type ShoalProcess } from '../cli/shoal-process.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

declare const shoal: typeof shoalOfPage;
declare global {
  var node: shoalOfPage.PageShoal;
  /** Every WebRTC connection that the page made. */
  var connections: RTCPeerConnection[];
  var saving: Promise<shoalOfPage.SavedBlob>;
  /** Resolves when two peers are gone, with who they are. */
  var ended: Promise<string[]>;
  /** Resolves when the connection to the other page is closed, with the states it had. */
  var states: Promise<string[]>;
  var progress: shoalOfPage.Progress | undefined;
  /** Most bytes seen to have come over one of them. */
  var mostReceived: number;
  /** Tells the test of a chunk that came. */
  function tellChunk(chunk: number, chunks: number): void;
}

const NETWORK = 'test';

/** Runs in the page before anything else. */
function countConnections(): void {
  globalThis.connections = [];
  globalThis.mostReceived = 0;
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      globalThis.connections.push(this);
    }
  };
}

/** Starts a node in a new page, connected to `peer`; resolves when other pages can dial it. @returns an address of its */
async function startPage(
  rig: BrowserRig,
  peer: { addresses: readonly string[] },
): Promise<{ page: Page; address: string; id: string }> {
  const page = await rig.page({ before: countConnections });
  const direct = peer.addresses.find((each) => each.includes('/webrtc-direct/')) ?? '';
  const { address, id } = await page.evaluate(
    async ([direct, network]) => {
      globalThis.node = await shoal.createShoal({ network, peers: [direct ?? ''] });
      while (globalThis.node.addresses.length === 0) {
        await new Promise((resolve) =>
          globalThis.node.addEventListener('addresses:change', resolve, { once: true }),
        );
      }
      return { address: globalThis.node.addresses[0] ?? '', id: globalThis.node.id };
    },
    [direct, NETWORK],
  );
  return { page, address, id };
}

/** A process of `shoal` that serves pages and relays for them. */
async function startNode(
  scene: Scene,
  ...args: string[]
): Promise<{ process: ShoalProcess; addresses: string[] }> {
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--network', NETWORK, '--no-mdns', '--json'];
  const process = scene.start([...args, ...listen]);
  const { addresses } = (await process.waitFor('listening')) as unknown as { addresses: string[] };
  return { process, addresses };
}

async function sharedBy(origin: ShoalProcess): Promise<{ link: string; cid: string }> {
  return (await origin.waitFor('sharing')) as unknown as { link: string; cid: string };
}

/** Fetches a link into the page, until it is whole. */
async function fetchWhole(page: Page, link: string): Promise<{ hash: string; from: string[] }> {
  await startFetching(page, link);
  return finishFetching(page);
}

async function startFetching(page: Page, link: string): Promise<void> {
  await page.evaluate(async (link) => {
    const asset = await globalThis.node.open(link);
    globalThis.saving = asset.save({
      onProgress: (each) => {
        globalThis.progress = each;
        for (const connection of globalThis.connections) void measure(connection);
      },
    });
    async function measure(connection: RTCPeerConnection): Promise<void> {
      for (const report of (await connection.getStats()).values()) {
        if (report.type !== 'candidate-pair' || !report.nominated) continue;
        globalThis.mostReceived = Math.max(globalThis.mostReceived, report.bytesReceived);
      }
    }
  }, link);
}

async function finishFetching(page: Page): Promise<{ hash: string; from: string[] }> {
  return page.evaluate(async () => {
    const { blob, sources } = await globalThis.saving;
    globalThis.progress = undefined;
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
    const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { hash, from: sources.map(({ peer }) => peer) };
  });
}

describe('pages in Chromium', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  after(() => rig?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    nodes = await TestNodes.create();
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  it('give each other a file directly, though the relay by which they met stops in the middle', async () => {
    const bytes = pseudoRandomBytes(6_000_000);
    await writeFile(nodes.path('a.bin'), bytes);
    await using scene = new Scene();
    const relay = await startNode(scene, 'seed', '--data', nodes.path('relay'));
    const origin = await startNode(scene, 'share', nodes.path('a.bin'), '--data', nodes.path('origin'));
    const { link, cid } = await sharedBy(origin.process);
    const first = await startPage(rig, relay);
    await fetchWhole(first.page, link);
    origin.process.signal('SIGINT');
    await origin.process.exit();
    const second = await startPage(rig, relay);
    // It takes little until the relay is gone.
    await second.page.evaluate(() => globalThis.node.setLimits({ downloadBytesPerSec: 200_000 }));
    await startFetching(second.page, `shoal:${cid}?a=${first.address}`);
    await second.page.waitForFunction(() => (globalThis.progress?.bytes ?? 0) > 0);
    relay.process.signal('SIGKILL');
    await relay.process.exit();
    await second.page.evaluate(() => globalThis.node.setLimits({}));
    const { hash, from } = await finishFetching(second.page);
    assert.equal(hash, hashOf(bytes));
    assert.deepEqual(from, [first.id]);
    // Which no relay lets through, and this one was not there any more.
    assert.ok((await second.page.evaluate(() => globalThis.mostReceived)) > bytes.byteLength / 2);
  });

  it('finish from each other when the origin was killed', async () => {
    const bytes = pseudoRandomBytes(6_000_000);
    await writeFile(nodes.path('a.bin'), bytes);
    await using scene = new Scene();
    const origin = await startNode(scene, 'share', nodes.path('a.bin'), '--data', nodes.path('origin'));
    const { link } = await sharedBy(origin.process);
    const first = await startPage(rig, origin);
    assert.equal((await fetchWhole(first.page, link)).hash, hashOf(bytes));
    const second = await startPage(rig, origin);
    // It lacks most of it when the origin goes.
    await second.page.evaluate(() => globalThis.node.setLimits({ downloadBytesPerSec: 100_000 }));
    await startFetching(second.page, link);
    await second.page.waitForFunction(() => globalThis.progress?.peers === 2);
    origin.process.signal('SIGKILL');
    await origin.process.exit();
    await second.page.evaluate(() => globalThis.node.setLimits({}));
    const { hash, from } = await finishFetching(second.page);
    assert.equal(hash, hashOf(bytes));
    assert.equal(from[0], first.id);
  });

  it('finish as a crowd, though the seed was killed when it had uploaded little more than the file', async () => {
    const bytes = pseudoRandomBytes(2_000_000);
    await writeFile(nodes.path('a.bin'), bytes);
    await using scene = new Scene();
    const data = ['--data', nodes.path('origin'), '--upload-limit', '300000'];
    const origin = await startNode(scene, 'share', nodes.path('a.bin'), ...data);
    const { link } = await sharedBy(origin.process);
    const pages = await Promise.all(Array.from({ length: 4 }, () => startPage(rig, origin)));
    const came = new Set<number>();
    const areAllOut = Promise.withResolvers<void>();
    for (const { page } of pages) {
      await page.exposeFunction('tellChunk', (chunk: number, chunks: number) => {
        if (came.add(chunk).size === chunks) areAllOut.resolve();
      });
      await page.evaluate(() => {
        // So that nobody has much from the others while the seed lives.
        globalThis.node.setLimits({ uploadBytesPerSec: 20_000 });
        globalThis.node.addEventListener('asset:chunk', ({ detail }) =>
          tellChunk(detail.chunk, detail.chunks),
        );
      });
    }
    await Promise.all(pages.map(({ page }) => startFetching(page, link)));
    await areAllOut.promise;
    // All know each other: only the seed could have told them.
    await Promise.all(
      pages.map(({ page }) => page.waitForFunction(() => (globalThis.progress?.peers ?? 0) >= 4)),
    );
    origin.process.signal('SIGKILL');
    await origin.process.exit();
    await Promise.all(pages.map(({ page }) => page.evaluate(() => globalThis.node.setLimits({}))));
    const ids = new Set(pages.map(({ id }) => id));
    for (const { hash, from } of await Promise.all(pages.map(({ page }) => finishFetching(page)))) {
      assert.equal(hash, hashOf(bytes));
      assert.ok(from.some((peer) => ids.has(peer)));
    }
    await Promise.all(pages.map(({ page }) => page.context().close()));
  });

  it('hear of the end of a node, closed or killed: later streams leave libp2p the handler that tells it', async () => {
    await writeFile(nodes.path('a.bin'), pseudoRandomBytes(300_000));
    await using scene = new Scene();
    const data = (name: string) => ['--data', nodes.path(name)];
    const closed = await startNode(scene, 'share', nodes.path('a.bin'), ...data('closed'));
    const killed = await startNode(scene, 'share', nodes.path('a.bin'), ...data('killed'));
    const { page } = await startPage(rig, closed);
    const direct = killed.addresses.find((each) => each.includes('/webrtc-direct/')) ?? '';
    const { link } = await sharedBy(killed.process);
    const handlers = await page.evaluate(
      async ([direct = '', link = '']) => {
        globalThis.ended = new Promise((resolve) => {
          const gone = new Set<string>();
          globalThis.node.addEventListener(
            'peer:disconnect',
            ({ detail }) => gone.add(detail.peer).size === 2 && resolve([...gone]),
          );
        });
        await globalThis.node.connect(direct);
        const of = () => globalThis.connections.map((each) => each.onconnectionstatechange);
        const first = of();
        await (await globalThis.node.open(link)).save();
        // A stream each: the page has asked both for the file.
        const later = of();
        return first.map((handler, index) => handler !== null && handler === later[index]);
      },
      [direct, link],
    );
    assert.deepEqual(handlers, [true, true]);
    closed.process.signal('SIGINT');
    killed.process.signal('SIGKILL');
    const ids = [closed, killed].map(({ addresses }) => addresses[0]?.split('/').at(-1));
    const ended = await page.evaluate(() => globalThis.ended);
    assert.deepEqual(ended.sort(), ids.sort());
    await page.context().close();
  });

  it('can be met although what that takes could not be loaded at first', async () => {
    const seed = await nodes.start({ web: true });
    const direct = seed.addresses.find((each) => each.includes('/webrtc-direct/')) ?? '';
    const page = await rig.page();
    let tries = 0;
    await page.route('**/further-transports*', (route) => (tries++ === 0 ? route.abort() : route.continue()));
    const logged = await page.evaluate(
      async ([direct, network]) => {
        const logged: string[] = [];
        const log = (_: string, message: string): void => void logged.push(message);
        await using node = await shoal.createShoal({ network, peers: [direct ?? ''], log });
        while (node.addresses.length === 0)
          await new Promise((resolve) => node.addEventListener('addresses:change', resolve, { once: true }));
        return logged;
      },
      [direct, NETWORK],
    );
    assert.equal(tries, 2);
    assert.ok(
      logged.some((each) => each.startsWith('other pages cannot be met yet: TypeError')),
      logged.join(),
    );
    await page.context().close();
  });

  it('dial each other again and again, and each dial succeeds', async () => {
    const relay = await nodes.start({ web: true, dht: false });
    const dialled = await startPage(rig, relay);
    const page = await rig.page();
    // As many at once as the race that libp2p loses one time in four needs; benchmarks/page-dials.ts makes a hundred.
    await page.evaluate(
      async ([address = '', network]) => {
        const [relay = ''] = address.split('/p2p-circuit');
        const dial = async (): Promise<void> => {
          await using node = await shoal.createShoal({ network, storage: 'memory' });
          await node.connect(relay);
          await node.connect(address);
        };
        for (let round = 0; round < 4; round++) await Promise.all([dial(), dial(), dial()]);
      },
      [dialled.address, NETWORK],
    );
    await Promise.all([page, dialled.page].map((each) => each.context().close()));
  });

  for (const closing of ['dialler', 'dialled'] as const) {
    it(`end their connection when the ${closing} closes its node, take that for no outage, and let it go`, async () => {
      const relay = await nodes.start({ web: true, dht: false });
      const pages = { dialled: await startPage(rig, relay), dialler: await startPage(rig, relay) };
      await pages.dialler.page.evaluate((address) => globalThis.node.connect(address), pages.dialled.address);
      const stays = closing === 'dialler' ? 'dialled' : 'dialler';
      await pages[stays].page.evaluate(() => {
        const [, met] = globalThis.connections;
        if (met?.connectionState !== 'connected') throw new Error('the second is not the other page’s');
        const states: string[] = [met.connectionState];
        met.addEventListener('connectionstatechange', () => states.push(met.connectionState));
        // No browser tells of it: whoever keeps the connection waits for it.
        const closed = new Promise((resolve) => met.addEventListener('close', resolve));
        globalThis.states = closed.then(() => [...states, met.connectionState]);
      });
      await pages[closing].page.evaluate(() => globalThis.node.close());
      const states = await pages[stays].page.evaluate(() => globalThis.states);
      assert.equal(states.at(-1), 'closed');
      assert.ok(!states.includes('disconnected'), states.join(', '));
      await Promise.all(Object.values(pages).map(({ page }) => page.context().close()));
    });
  }

  it('are twenty at once on one seed, and finish', async function () {
    // A minute by itself; on a slow machine, at the end of all other tests, three and more.
    this.timeout(400_000);
    const bytes = pseudoRandomBytes(2_000_000);
    const seed = await nodes.start({ web: true, dht: false, uploadBytesPerSec: 4_000_000 });
    const { link } = await seed.share(bytes);
    const pages = await Promise.all(Array.from({ length: 20 }, () => startPage(rig, seed)));
    const got = await Promise.all(pages.map(({ page }) => fetchWhole(page, link)));
    for (const { hash } of got) assert.equal(hash, hashOf(bytes));
    const others = got.flatMap(({ from }) => from).filter((peer) => peer !== seed.id);
    assert.ok(others.length > 0);
    await Promise.all(pages.map(({ page }) => page.context().close()));
  });
});
