import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { yamux } from '@chainsafe/libp2p-yamux';
import { RELAY_V2_HOP_CODEC, type CircuitRelayService } from '@libp2p/circuit-relay-v2';
import type { Connection, Libp2p, PeerId } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { lpStream } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type ServiceFactoryMap } from 'libp2p';
import { relayService } from '../../src/node/relay-service.ts';

/** What libp2p's service has, and its type does not tell of. */
interface ReservationStore {
  reserve(peer: PeerId, address: Multiaddr): { status: string };
}

const PLACE_MS = 2 * 3_600_000;

/** `HopMessage` of the type RESERVE. */
const RESERVE = Uint8Array.of(0x08, 0);

/** How an answer ends that gives the place: the field 5, `status`, with OK. */
const GIVEN = Uint8Array.of(0x28, 100);

function start<T extends Record<string, unknown>>(services: ServiceFactoryMap<T>): Promise<Libp2p<T>> {
  return createLibp2p<T>({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services,
  });
}

/** Asks for a place, or to renew it, and returns whether it was given. */
async function reserve(connection: Connection): Promise<boolean> {
  const stream = await connection.newStream(RELAY_V2_HOP_CODEC);
  const messages = lpStream(stream);
  await messages.write(RESERVE);
  const answer = (await messages.read()).subarray();
  await stream.close();
  return Buffer.from(answer.subarray(-GIVEN.length)).equals(GIVEN);
}

describe('places on a relay', () => {
  let relay: Libp2p<{ relay: CircuitRelayService }>;
  let peer: Libp2p;
  /** What ends each place that was given, in their order. */
  let ends: AbortController[];

  beforeEach(async () => {
    ends = [];
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    mock.method(AbortSignal, 'timeout', (ms: number) => {
      if (ms !== PLACE_MS) return timeout(ms);
      const end = new AbortController();
      ends.push(end);
      return end.signal;
    });
    relay = await start({ relay: relayService({ peers: 1 }) });
    peer = await start({});
  });
  afterEach(async () => {
    mock.restoreAll();
    await Promise.all([relay.stop(), peer.stop()]);
  });

  const isKept = (): boolean => relay.services.relay.reservations.has(peer.peerId);

  it('are kept for as long as they are renewed, and then end', async () => {
    const connection = await peer.dial(relay.getMultiaddrs());
    for (let i = 0; i < 4; i++) assert.ok(await reserve(connection));
    assert.equal(ends.length, 4);
    for (const end of ends.slice(0, -1)) end.abort();
    assert.ok(isKept());
    ends.at(-1)?.abort();
    assert.ok(!isKept());
  });

  it('are not ended by the time of those that the peer had before it went', async () => {
    const gone = new Promise((resolve) => relay.addEventListener('peer:disconnect', resolve, { once: true }));
    assert.ok(await reserve(await peer.dial(relay.getMultiaddrs())));
    await peer.hangUp(relay.peerId);
    await gone;
    assert.ok(!isKept());
    assert.ok(await reserve(await peer.dial(relay.getMultiaddrs())));
    ends[0]?.abort();
    assert.ok(isKept());
  });

  it('are not all for one host, whatever names it has', async () => {
    await relay.stop();
    relay = await start({ relay: relayService({ peers: 9 }) });
    const { reservationStore } = relay.services.relay as unknown as {
      reservationStore: ReservationStore;
    };
    let port = 1;
    const given = async (host: string, count: number): Promise<number> => {
      let places = 0;
      for (let i = 0; i < count; i++) {
        const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
        const { status } = reservationStore.reserve(peer, multiaddr(`/ip4/${host}/tcp/${port++}`));
        if (status === 'OK') places++;
      }
      return places;
    };
    assert.equal(await given('192.0.2.1', 9), 6);
    assert.equal(await given('192.0.2.2', 1), 1);
    assert.equal(await given('192.0.2.1', 1), 0);
    assert.equal(await given('192.0.2.3', 9), 2);
  });

  it('are reached from elsewhere, however many one host has lead there', async () => {
    const hosts = ['192.0.2.1', '192.0.2.2'];
    const ids = await Promise.all(
      hosts.map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
    );
    const open: EventTarget[] = [];
    mock.method(
      Object.getPrototypeOf(relay.services.relay) as { stopHop: () => Promise<unknown> },
      'stopHop',
      async () => {
        const stream = Object.assign(new EventTarget(), { status: 'open' });
        open.push(stream);
        return stream;
      },
    );
    const served = relayService({})({
      logger: relay.logger,
      events: new EventTarget(),
      connectionManager: {
        getConnections: () =>
          ids.map((remotePeer, at) => ({ remotePeer, remoteAddr: multiaddr(`/ip4/${hosts[at]}/tcp/1`) })),
      },
    } as unknown as Parameters<ReturnType<typeof relayService>>[0]) as unknown as {
      stopHop(way: unknown, options: object): Promise<unknown>;
    };
    /** So many of the connections that a host asks for are made. */
    const connected = async (host: number, count: number, to: PeerId): Promise<number> => {
      let made = 0;
      for (let i = 0; i < count; i++) {
        const request = { peer: { id: ids[host]?.toMultihash().bytes } };
        if (await served.stopHop({ connection: { remotePeer: to }, request }, {})) made++;
      }
      return made;
    };
    assert.equal(await connected(0, 40, peer.peerId), 22);
    assert.equal(await connected(1, 1, peer.peerId), 1);
    assert.equal(await connected(0, 1, peer.peerId), 0);
    assert.equal(await connected(0, 1, relay.peerId), 1);
    for (const each of open) each.dispatchEvent(new Event('close'));
    assert.equal(await connected(0, 1, peer.peerId), 1);
  });

  it('are renewed where all are taken, and given to nobody else', async () => {
    const connection = await peer.dial(relay.getMultiaddrs());
    const other = await start({});
    try {
      for (let i = 0; i < 3; i++) assert.ok(await reserve(connection));
      assert.ok(!(await reserve(await other.dial(relay.getMultiaddrs()))));
      assert.ok(isKept());
    } finally {
      await other.stop();
    }
  });
});
