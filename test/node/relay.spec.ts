import assert from 'node:assert/strict';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { circuitRelayServer, circuitRelayTransport, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { ComponentLogger, Libp2p, Logger, PeerId, Transport } from '@libp2p/interface';
import type { TransportManager } from '@libp2p/interface-internal';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { createShoal, type Shoal } from '../../src/index.ts';
import { relayListen, relayTransport, type RelayTransportOptions } from '../../src/node/relay-transport.ts';
import { startBareNode } from './bare-node.ts';
import { TestNodes } from './test-nodes.ts';
import { streamClosed } from './tls-rig.ts';

/** A node of libp2p's own that listens through relays. */
async function listening(
  listen: string[],
  transport: ReturnType<typeof circuitRelayTransport>,
  logger?: ComponentLogger,
): Promise<Libp2p> {
  const node = await createLibp2p({
    start: false,
    ...(logger && { logger }),
    addresses: { listen },
    transports: [tcp(), transport],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  await node.start();
  return node;
}

/** A stock node that reserves a place on a relay. @throws where the relay refuses */
async function behind(relay: Shoal): Promise<Libp2p> {
  return listening([`${relay.addresses[0] ?? ''}/p2p-circuit`], circuitRelayTransport());
}

/** A stock relay. @param placeMs how long its places last: those of ten minutes are renewed whenever that is asked for */
function stock(placeMs?: number): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      relay: circuitRelayServer({ reservations: placeMs === undefined ? {} : { reservationTtl: placeMs } }),
    },
  });
}

/** What libp2p's timers call to renew a place; no type tells of it. */
interface Renewing {
  readonly reservationStore: { addRelay(relay: PeerId, type: 'discovered'): Promise<{ relay: PeerId }> };
}

/** What a relay answers by; no type tells of it. */
interface Giving {
  makeReservation(peer: PeerId, expire: bigint): Promise<unknown>;
}

/** A node that looks for two relays among those that it is connected to. */
async function seeking(options?: RelayTransportOptions) {
  let transport: Transport | undefined;
  const listens = new EventTarget();
  const node = await listening(relayListen(false).map(String), (parts) => {
    // The node's own events tell of it a second later.
    parts.events.addEventListener('transport:listening', () => listens.dispatchEvent(new Event('change')));
    return (transport = relayTransport(options)(parts));
  });
  const count = (): number =>
    new Set(node.getMultiaddrs().map((each) => String(each).split('/p2p/', 2)[1])).size;
  /** Resolves when it has places on as many relays. */
  const hasPlaces = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (count() === wanted) resolve();
      };
      listens.addEventListener('change', look);
      look();
    });
  return { node, hasPlaces, ...(transport as unknown as Renewing) };
}

/** A logger of libp2p's that tells of errors. */
function loggerOf(onError: (message: string) => void): Logger {
  return Object.assign(() => {}, {
    enabled: false,
    trace: () => {},
    error: (message: unknown) => onError(String(message)),
    newScope: () => loggerOf(onError),
  });
}

/** Resolves when the peer has gone from the node. */
function gone(node: Shoal, peer: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  node.addEventListener('peer:disconnect', ({ detail }) => {
    if (detail.peer === peer) resolve();
  });
  return promise;
}

describe('a node that has no place on a relay', () => {
  it('neither asks for one nor listens there because somebody says that a peer comes through it', async () => {
    const node = await startBareNode();
    const relay = await stock();
    try {
      const { transportManager } = (node as unknown as { components: { transportManager: TransportManager } })
        .components;
      const before = transportManager.getListeners().length;
      const connection = await relay.dial(node.getMultiaddrs());
      for (let i = 0; i < 10; i++) {
        const stream = await connection.newStream(RELAY_V2_STOP_CODEC);
        await streamClosed(stream);
      }
      assert.equal(transportManager.getListeners().length, before);
      assert.doesNotMatch(node.getMultiaddrs().join(' '), /p2p-circuit/);
    } finally {
      await Promise.all([node.stop(), relay.stop()]);
    }
  });
});

describe('a node that relays', () => {
  let nodes: TestNodes;
  beforeEach(async () => {
    nodes = await TestNodes.create();
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  it('does so for as many as it was told, and for another when one has gone', async () => {
    const relay = await nodes.start({ relay: { peers: 1 }, dht: false });
    const first = await behind(relay);
    await assert.rejects(behind(relay), /reservation failed/);
    const left = gone(relay, first.peerId.toString());
    await first.stop();
    await left;
    const second = await behind(relay);
    assert.match(second.getMultiaddrs().join(' '), /\/p2p-circuit\//);
    await second.stop();
  });

  it('is asked again by a node that got no place of it', async () => {
    const relay = await nodes.start({ relay: { peers: 1 }, dht: false });
    const first = await behind(relay);
    await using stack = new AsyncDisposableStack();
    const { promise: refused, resolve } = Promise.withResolvers<void>();
    // Nothing else tells that a relay refused.
    const second = await listening(relayListen(false).map(String), relayTransport(), {
      forComponent: () => loggerOf((message) => message.startsWith('could not reserve slot') && resolve()),
    });
    stack.defer(async () => second.stop());
    await second.dial(multiaddr(relay.addresses[0]));
    await refused;
    assert.deepEqual(second.getMultiaddrs(), []);
    const given = new Promise<void>((resolve) => {
      second.addEventListener('self:peer:update', () => {
        if (second.getMultiaddrs().some((each) => each.toString().includes('/p2p-circuit'))) resolve();
      });
    });
    await first.stop();
    await given;
  });

  it('renews the place of a node that has one of another relay, too, in the same moment', async () => {
    const relays = [await stock(600_000), await stock(600_000)];
    const { node, hasPlaces, reservationStore } = await seeking();
    await using stack = new AsyncDisposableStack();
    for (const each of [node, ...relays]) stack.defer(async () => each.stop());
    for (const relay of relays) await node.dial(relay.getMultiaddrs());
    await hasPlaces(2);
    const renewed = await Promise.all(
      relays.map(({ peerId }) => reservationStore.addRelay(peerId, 'discovered')),
    );
    assert.deepEqual(
      renewed.map(({ relay }) => relay.toString()),
      relays.map(({ peerId }) => peerId.toString()),
    );
  });

  it('is dialled again by a node that it gave a place, when the connection was lost', async () => {
    const relay = await stock();
    const { node, hasPlaces } = await seeking({ againMs: 50 });
    await using stack = new AsyncDisposableStack();
    for (const each of [node, relay]) stack.defer(async () => each.stop());
    await node.dial(relay.getMultiaddrs());
    await hasPlaces(1);
    const lost = hasPlaces(0);
    await relay.hangUp(node.peerId);
    await lost;
    await hasPlaces(1);
  });

  for (const [clock, aheadMs] of [
    ['ahead of', 5 * 3_600_000],
    ['behind', -5 * 3_600_000],
  ] as const) {
    it(`keeps the place of a node whose clock it is ${clock}, which renews it by its own`, async () => {
      const relay = await stock();
      let given = 0;
      const { promise: renewed, resolve } = Promise.withResolvers<void>();
      const giving = relay.services['relay'] as Giving;
      const make = giving.makeReservation.bind(giving);
      giving.makeReservation = (peer, expire) => {
        if (++given === 3) resolve();
        return make(peer, expire + BigInt(aheadMs / 1000));
      };
      const { node, hasPlaces } = await seeking({ renewMs: 20 });
      await using stack = new AsyncDisposableStack();
      for (const each of [node, relay]) stack.defer(async () => each.stop());
      await node.dial(relay.getMultiaddrs());
      await hasPlaces(1);
      await renewed;
      await hasPlaces(1);
    });
  }

  it('lets through no more than it was told', async () => {
    const relay = await nodes.start({ relay: { connectionBytes: 50_000, connectionMs: 60_000 }, dht: false });
    const to = await behind(relay);
    const from = await behind(relay);
    const connection = await from.dial(to.getMultiaddrs()[0] ?? multiaddr('/p2p-circuit'));
    assert.ok((connection.limits?.bytes ?? 0n) > 0n);
    assert.ok((connection.limits?.bytes ?? 0n) <= 50_000n);
    await Promise.all([to.stop(), from.stop()]);
  });

  it('lets connections last for longer than a timer takes', async () => {
    for (const connectionMs of [2 ** 31, 2 ** 40]) {
      const relay = await nodes.start({ relay: { connectionMs }, dht: false });
      const to = await behind(relay);
      const from = await behind(relay);
      const connection = await from.dial(to.getMultiaddrs()[0] ?? multiaddr('/p2p-circuit'));
      // What is left of it, which a busy machine makes less.
      const seconds = connection.limits?.seconds ?? 0;
      assert.ok(seconds > 2 ** 31 - 3600 && seconds < 2 ** 31, `${seconds} s`);
      await Promise.all([to.stop(), from.stop()]);
    }
  });

  it('is any that serves pages, unless it was told not to', async () => {
    await assert.rejects(behind(await nodes.start({ dht: false })));
    await assert.rejects(behind(await nodes.start({ web: true, relay: false, dht: false })));
    const node = await behind(await nodes.start({ web: true, dht: false }));
    await node.stop();
  });

  it('refuses bounds and STUN servers that make no sense', async () => {
    for (const relay of [{ peers: 0 }, { connectionBytes: 1.5 }, { connectionMs: Number.NaN }])
      await assert.rejects(createShoal({ dataDir: nodes.path('no'), relay }), { code: 'ERR_RELAY_BOUNDS' });
    for (const url of ['stun.example.org', 'turn:a.example:1', 'stun:a b'])
      await assert.rejects(createShoal({ dataDir: nodes.path('no'), stunServers: [url] }), {
        code: 'ERR_STUN_SERVER',
      });
  });
});
