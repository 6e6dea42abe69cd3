import assert from 'node:assert/strict';
import type { PeerId } from '@libp2p/interface';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { presentPing } from '../../src/node/present-ping.ts';

/** A ping service on one connection of that state and age; asking over the wire fails with "asked". */
function serviceWith(status: string, ageMs: number, protocols: string[] = ['/some/1']) {
  const connection = { status, timeline: { open: Date.now() - ageMs } };
  const peerStore = {
    has: () => Promise.resolve(true),
    get: () => Promise.resolve({ protocols }),
  };
  const connectionManager = {
    getConnections: (_peer: PeerId) => [connection],
    openStream: () => Promise.reject(new Error('asked')),
  };
  type Components = Parameters<ReturnType<typeof presentPing>>[0];
  return presentPing()({ registrar: {}, connectionManager, peerStore } as unknown as Components);
}

describe('the ping of a node that the DHT comes to know', () => {
  const someone = generateKeyPair('Ed25519').then((key) => peerIdFromPrivateKey(key));

  it('takes a peer that has just connected to be there', async () => {
    assert.equal(await serviceWith('open', 1000).ping(await someone), 0);
  });

  it('asks a peer whose connection is old, or is closing', async () => {
    const peer = await someone;
    await assert.rejects(serviceWith('open', 120_000).ping(peer), /asked/);
    await assert.rejects(serviceWith('closing', 1000).ping(peer), /asked/);
    // The clock was set back since.
    await assert.rejects(serviceWith('open', -3_600_000).ping(peer), /asked/);
  });

  it('does not dial a peer that was never met', async () => {
    await assert.rejects(serviceWith('closed', 1000, []).ping(await someone), /never connected/);
  });
});
