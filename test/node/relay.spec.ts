import assert from 'node:assert/strict';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { ComponentLogger, Libp2p, Logger, PeerId, Transport } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { createShoal, type Shoal } from '../../src/index.ts';
import { relayListen, relayTransport } from '../../src/node/relay-transport.ts';
import { TestNodes } from './test-nodes.ts';

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

/** A stock relay whose places are due to be renewed as soon as they are given. */
function brief(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      relay: circuitRelayServer({ reservations: { reservationTtl: 300_000 } }),
    },
  });
}

/** What libp2p's timers call to renew a place; no type tells of it. */
interface Renewing {
  readonly reservationStore: { addRelay(relay: PeerId, type: 'discovered'): Promise<{ relay: PeerId }> };
}

/** Resolves when the node has as many places on relays. */
function places(node: Libp2p, count: number): Promise<void> {
  const relays = (): Set<string | undefined> =>
    new Set(
      node.getMultiaddrs().flatMap((each) => /\/p2p\/(\w+)\/p2p-circuit/.exec(String(each))?.[1] ?? []),
    );
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (relays().size === count) resolve();
  };
  node.addEventListener('self:peer:update', look);
  look();
  return promise;
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
    const relays = [await brief(), await brief()];
    let transport: Transport | undefined;
    const make = relayTransport();
    const node = await listening(relayListen(false).map(String), (parts) => (transport = make(parts)));
    await using stack = new AsyncDisposableStack();
    for (const each of [node, ...relays]) stack.defer(async () => each.stop());
    for (const relay of relays) await node.dial(relay.getMultiaddrs());
    await places(node, 2);
    const { reservationStore } = transport as unknown as Renewing;
    const renewed = await Promise.all(
      relays.map(({ peerId }) => reservationStore.addRelay(peerId, 'discovered')),
    );
    assert.deepEqual(
      renewed.map(({ relay }) => relay.toString()),
      relays.map(({ peerId }) => peerId.toString()),
    );
  });

  it('lets through no more than it was told', async () => {
    const relay = await nodes.start({ relay: { connectionBytes: 50_000, connectionMs: 60_000 }, dht: false });
    const to = await behind(relay);
    const from = await behind(relay);
    const connection = await from.dial(to.getMultiaddrs()[0] ?? multiaddr('/p2p-circuit'));
    assert.ok((connection.limits?.bytes ?? 0n) > 0n);
    assert.ok((connection.limits?.bytes ?? 0n) <= 50_000n);
    await Promise.all([to.stop(), from.stop()]);
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
