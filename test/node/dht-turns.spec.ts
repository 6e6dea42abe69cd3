import assert from 'node:assert/strict';
import type { PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { takeInTurns } from '../../src/node/dht-turns.ts';

type Handle = (peer: PeerId, message: { type: string }) => Promise<string | undefined>;

describe('messages of the DHT that come all at once', () => {
  it('are taken some in a turn, and questions do not wait for announcements', async () => {
    const taken: string[] = [];
    const handleMessage: Handle = async (_peer, { type }) => {
      taken.push(type);
      return type;
    };
    const rpc = { handleMessage };
    takeInTurns({ rpc } as unknown as KadDHT);
    const peer = {} as PeerId;
    const all = Array.from({ length: 100 }, async () => rpc.handleMessage(peer, { type: 'ADD_PROVIDER' }));
    for (let n = 0; n < 1000; n++) await Promise.resolve();
    assert.ok(taken.length > 0 && taken.length < 50, `${taken.length} in one turn`);
    assert.equal(await rpc.handleMessage(peer, { type: 'FIND_NODE' }), 'FIND_NODE');
    assert.ok(taken.length < 50);
    await Promise.all(all);
    assert.equal(taken.length, 101);
  });

  it('are taken some in a turn, also questions', async () => {
    let taken = 0;
    const handleMessage: Handle = async () => `${taken++}`;
    const rpc = { handleMessage };
    takeInTurns({ rpc } as unknown as KadDHT);
    const all = ['FIND_NODE', 'GET_PROVIDERS', 'GET_VALUE', 'PING'].flatMap((type) =>
      Array.from({ length: 25 }, async () => rpc.handleMessage({} as PeerId, { type })),
    );
    for (let n = 0; n < 1000; n++) await Promise.resolve();
    assert.ok(taken > 0 && taken < 10, `${taken} in one turn`);
    await Promise.all(all);
    assert.equal(taken, 100);
  });
});
