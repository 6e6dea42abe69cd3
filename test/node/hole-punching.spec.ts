import assert from 'node:assert/strict';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { ProtoWriter } from '../../src/integrity/proto-writer.ts';
import { libp2pNode } from '../integration/swarm-node.ts';
import { startBareNode } from './bare-node.ts';

/** `HolePunch` of the type CONNECT, with an address that nobody has. */
const CONNECT = new ProtoWriter()
  .uint(1, 100)
  .bytes(2, multiaddr('/dns4/nobody.invalid/tcp/1').bytes)
  .finish();

describe('DCUtR', () => {
  it('dials for nobody who is connected directly', async () => {
    const node = await startBareNode({ dht: false });
    const peer = await libp2pNode();
    try {
      const connection = await peer.dial(node.getMultiaddrs());
      const messages = lpStream(await connection.newStream('/libp2p/dcutr'));
      await assert.rejects(async () => {
        await messages.write(CONNECT);
        await messages.read();
      });
    } finally {
      await Promise.all([node.stop(), peer.stop()]);
    }
  });
});
