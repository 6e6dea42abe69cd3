import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { CID } from 'multiformats/cid';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { digestOf } from '../../src/integrity/sha256.ts';
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
