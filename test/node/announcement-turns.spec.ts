import assert from 'node:assert/strict';
import type { PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { announceInTurns } from '../../src/node/announcement-turns.ts';

type Handle = (peer: PeerId, message: { type: string }) => Promise<string | undefined>;

describe('announcements that come all at once', () => {
  it('are taken some in a turn, and nothing else waits for them', async () => {
    const taken: string[] = [];
    const handleMessage: Handle = async (_peer, { type }) => {
      taken.push(type);
      return type;
    };
    const rpc = { handleMessage };
    announceInTurns({ rpc } as unknown as KadDHT);
    const peer = {} as PeerId;
    const all = Array.from({ length: 100 }, async () => rpc.handleMessage(peer, { type: 'ADD_PROVIDER' }));
    for (let n = 0; n < 1000; n++) await Promise.resolve();
    assert.ok(taken.length > 0 && taken.length < 50, `${taken.length} in one turn`);
    assert.equal(await rpc.handleMessage(peer, { type: 'FIND_NODE' }), 'FIND_NODE');
    assert.ok(taken.length < 50);
    await Promise.all(all);
    assert.equal(taken.length, 101);
  });
});
