import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { CID } from 'multiformats/cid';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { digestOf } from '../../src/integrity/sha256.ts';
import { keepReachable } from '../../src/node/reachable-table.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';
import { startBareNode } from './bare-node.ts';

/** More than a walk begins with. */
const GONE = 45;

interface Table {
  readonly size: number;
  /** Whether a new one is there: asked before it is taken in. */
  kb: { verify: () => Promise<boolean> };
  add(peer: PeerId): Promise<void>;
  closestPeers(place: Uint8Array): PeerId[];
}

describe('a node of the DHT that has met many, of which most are gone', () => {
  const nodes: ShoalLibp2p[] = [];

  async function start(): Promise<ShoalLibp2p> {
    const node = await startBareNode();
    nodes.push(node);
    return node;
  }

  const tableOf = (node: ShoalLibp2p): Table =>
    (node.services.dht as unknown as { routingTable: Table }).routingTable;

  async function meet(table: Table, node: ShoalLibp2p, peer: PeerId): Promise<void> {
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1')] });
    await table.add(peer);
  }

  /** A root to which others are nearer than the peer, in a table. */
  async function rootFarFrom(peer: PeerId, table: Table): Promise<CID> {
    for (let n = 0; ; n++) {
      const root = cidOf(RAW_CODE, createHash('sha256').update(`${n}`).digest());
      const nearest = table.closestPeers(await digestOf(root.multihash.bytes));
      if (!nearest.some((each) => each.equals(peer))) return root;
    }
  }

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async (node) => node.stop()));
  });

  it('finds what one that is there knows, and keeps those that are connected', async () => {
    const [node, other] = [await start(), await start()];
    const table = tableOf(node);
    const { verify } = table.kb;
    table.kb.verify = async () => true;
    for (let n = 0; n < GONE; n++)
      await meet(table, node, peerIdFromPrivateKey(await generateKeyPair('Ed25519')));
    table.kb.verify = verify;
    await node.dial(other.getMultiaddrs()[0]!);
    while (table.size <= GONE) await new Promise((resolve) => setImmediate(resolve));
    const root = await rootFarFrom(other.peerId, table);
    let isTold = false;
    for (let walks = 0; walks < 10 && !isTold; walks++)
      for await (const event of node.services.dht!.findProviders(root))
        isTold ||= event.name === 'PEER_RESPONSE' && event.from.equals(other.peerId);
    assert.ok(isTold);
    assert.ok(table.size < GONE);
    assert.deepEqual(table.closestPeers(await digestOf(other.peerId.toMultihash().bytes))[0], other.peerId);
  });
});

describe('a node of the DHT that tells of several addresses', () => {
  const SILENT = '/ip4/192.0.2.1/tcp/1';
  const THERE = '/ip4/192.0.2.2/tcp/1';
  const REFUSED = '/ip4/192.0.2.3';
  let id: PeerId;

  before(async () => {
    id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
  });
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  /** Asks it; what is dialled, asked and taken out of the table. Nothing answers at any address but `THERE`. */
  async function ask(...addresses: string[]): Promise<string[]> {
    const did: string[] = [];
    let isThere = false;
    const dht = {
      network: {
        async *sendRequest(_to: PeerId, _message: unknown, { signal }: { signal?: AbortSignal }) {
          did.push(signal?.aborted ? 'not asked' : 'asked');
          if (!isThere) yield { name: 'QUERY_ERROR' };
        },
        async *sendMessage() {},
      },
      routingTable: { remove: async () => void did.push('removed') },
    };
    const node = {
      getConnections: () => (isThere ? [{}] : []),
      peerStore: {
        get: async () => ({ addresses: addresses.map((each) => ({ multiaddr: multiaddr(each) })) }),
      },
      dial: async (to: unknown, { signal }: { signal: AbortSignal }) => {
        const list = [to].flat().map((each) => String(each).split('/p2p/')[0] as string);
        did.push(...list);
        isThere = list.includes(THERE);
        if (isThere) return {} as Connection;
        if (list[0]?.startsWith(REFUSED)) throw new Error('refused');
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
    };
    keepReachable(dht as unknown as KadDHT, node as unknown as ShoalLibp2p);
    const asking = (async () => {
      for await (const _event of dht.network.sendRequest(id, {}, {}));
    })();
    for (let n = 0; n < 5; n++) {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      mock.timers.tick(1500);
    }
    await asking;
    return did;
  }

  it('is asked though nothing answers at the first', async () => {
    assert.deepEqual(await ask(SILENT, THERE), [SILENT, THERE, 'asked']);
  });

  it("is dialled at a few of very many, which may be anybody's", async () => {
    const many = Array.from({ length: 300 }, (_, n) => `${REFUSED}/tcp/${n + 1}`);
    assert.equal((await ask(...many)).filter((each) => each.startsWith('/ip4/')).length, 8);
  });

  it('is asked as ever where it tells of one alone', async () => {
    assert.deepEqual(await ask(SILENT), ['asked', 'removed']);
  });
});
