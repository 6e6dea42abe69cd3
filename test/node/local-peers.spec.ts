import assert from 'node:assert/strict';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { LocalPeers } from '../../src/node/local-peers.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

describe('nodes that are heard on the local network', () => {
  it('are dialled by name: at an address of its network somebody else may be here', async () => {
    const dialled: string[] = [];
    const libp2p = {
      peerId: 'self',
      services: {},
      getConnections: () => [],
      dial: async (addresses: Multiaddr[]) => dialled.push(...addresses.map(String)),
    };
    const local = new LocalPeers(libp2p as unknown as ShoalLibp2p, () => {});
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
    local.add({ id, multiaddrs: [multiaddr('/ip4/172.17.0.1/tcp/4001')] });
    assert.deepEqual(dialled, [`/ip4/172.17.0.1/tcp/4001/p2p/${id.toString()}`]);
  });

  it('are dialled a few at a time, at some addresses of each, whoever was heard last first, and not once it has stopped', async () => {
    const dialled: string[][] = [];
    const ends: (() => void)[] = [];
    const libp2p = {
      peerId: 'self',
      services: {},
      getConnections: () => [],
      dial: async (addresses: Multiaddr[]) => {
        dialled.push(addresses.map(String));
        await new Promise<void>((resolve) => ends.push(resolve));
      },
    };
    const local = new LocalPeers(libp2p as unknown as ShoalLibp2p, () => {});
    const ids = await Promise.all(
      Array.from({ length: 200 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
    );
    const addresses = Array.from({ length: 50 }, (_, n) => multiaddr(`/ip4/203.0.113.${n}/tcp/443`));
    for (const id of ids) local.add({ id, multiaddrs: addresses });
    assert.deepEqual(
      dialled.map((each) => each.length),
      Array.from({ length: 8 }, () => 8),
    );
    ends.shift()?.();
    while (dialled.length < 9) await turn();
    assert.ok(dialled[8]?.[0]?.endsWith(String(ids.at(-1))));
    // All that wait are dialled, and none that had to make room.
    while (dialled.length < 8 + 128) {
      for (const end of ends.splice(0)) end();
      await turn();
    }
    for (const end of ends.splice(0)) end();
    await turn();
    assert.equal(dialled.length, 8 + 128);
    await local.stop();
    local.add({ id: ids[0]!, multiaddrs: addresses });
    assert.equal(dialled.length, 8 + 128);
  });

  it('are counted up to a bound, as names cost nothing', async () => {
    const libp2p = { peerId: 'self', services: {}, getConnections: () => Array.from({ length: 60 }) };
    const local = new LocalPeers(libp2p as unknown as ShoalLibp2p, () => {});
    for (let n = 0; n < 5000; n++) local.add({ id: `peer${n}`, multiaddrs: [] } as never);
    assert.equal(local.count, 1024);
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
