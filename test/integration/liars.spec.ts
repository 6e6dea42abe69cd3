import assert from 'node:assert/strict';
import { bytesOf, fileOf } from '../swarm/shell/memory-asset.ts';
import { Liar } from './liar.ts';
import { SwarmNode, until } from './swarm-node.ts';

const MIB = 1 << 20;

describe('peers that lie, over libp2p', () => {
  it('cuts off who acknowledges what is not written yet, which makes the uplink seem as fast as it likes', async () => {
    const file = await fileOf(bytesOf(4 * MIB));
    await using a = await SwarmNode.start();
    a.share(file);
    await using b = await Liar.link(a);
    b.say({ type: 'join', slot: 1, root: file.root.bytes, have: { kind: 'none' }, reply: true });
    const { id } = await b.next('grant');
    const bytes = file.manifest.chunkSize(0);
    b.say({ type: 'request', grant: id, slot: 1, runs: [{ from: 0, count: 1 }] }, { type: 'ack', bytes });
    await until(() => a.misbehaved.length > 0);
    assert.deepEqual(a.misbehaved, [{ peer: b.id, code: 'ERR_PEER_FALSE_ACK' }]);
  });
});
