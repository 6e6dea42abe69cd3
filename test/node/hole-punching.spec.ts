import assert from 'node:assert/strict';
import type { DCUtRServiceComponents } from '@libp2p/dcutr';
import type { Connection, Startable, Stream, StreamHandler } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { ProtoWriter } from '../../src/integrity/proto-writer.ts';
import { holePunching } from '../../src/node/hole-punching.ts';
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

  it('dials for so many who come through a relay, and then now and then', async () => {
    const handlers: StreamHandler[] = [];
    const registrar = {
      handle: async (_protocol: string, handler: StreamHandler) => void handlers.push(handler),
      register: async () => 'id',
    };
    let nowMs = 0;
    const dcutr = holePunching(() => nowMs)({
      registrar,
      logger: { forComponent: () => Object.assign(() => {}, { error: () => {}, trace: () => {} }) },
    } as unknown as DCUtRServiceComponents) as Startable;
    await dcutr.start();
    const connection = {
      limits: { bytes: 1n },
      remoteAddr: multiaddr('/p2p-circuit'),
    } as unknown as Connection;
    const refused = (): boolean => {
      let why = '';
      const stream = {
        addEventListener: () => {},
        removeEventListener: () => {},
        abort: ({ message }: Error) => (why = message),
      } as unknown as Stream;
      void Promise.resolve(handlers[0]?.(stream, connection)).catch(() => {});
      return why === 'others are being dialled';
    };
    const dials = (): number => {
      let count = 0;
      while (!refused()) count++;
      return count;
    };
    assert.equal(dials(), 60);
    nowMs = 5000;
    assert.equal(dials(), 5);
  });
});
