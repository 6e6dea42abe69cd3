import assert from 'node:assert/strict';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Stream, StreamMuxerFactory } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';
import { pseudoRandomBytes } from './test-nodes.ts';

const CHUNK = 64 * 1024;
const CHUNKS = 64;

interface Framed {
  sendFrame(header: { type: number }, data?: unknown): unknown;
}

/** Sends chunks from one muxer to the other, over a pair of connections in memory. */
async function transfer(
  from: StreamMuxerFactory,
  to: StreamMuxerFactory,
): Promise<{ received: Buffer; updates: number }> {
  const [near, far] = multiaddrConnectionPair();
  const sender = from.createStreamMuxer(near);
  const receiver = to.createStreamMuxer(far);
  let updates = 0;
  const framed = receiver as unknown as Framed;
  const sendFrame = framed.sendFrame.bind(framed);
  framed.sendFrame = (header, data) => {
    if (header.type === 1) updates++;
    return sendFrame(header, data);
  };
  const arriving = Promise.withResolvers<Buffer>();
  receiver.addEventListener('stream', ({ detail: stream }: CustomEvent<Stream>) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    stream.addEventListener('message', ({ data }) => {
      parts.push(data.subarray());
      bytes += data.byteLength;
      if (bytes === CHUNK * CHUNKS) arriving.resolve(Buffer.concat(parts));
    });
  });
  const stream = await sender.createStream();
  for (let n = 0; n < CHUNKS; n++) {
    if (!stream.send(pseudoRandomBytes(CHUNK, n))) await stream.onDrain();
  }
  const received = await arriving.promise;
  near.abort(new Error('the test is over'));
  return { received, updates };
}

describe('yamux with windows told by halves', () => {
  const expected = Buffer.concat(Array.from({ length: CHUNKS }, (_, n) => pseudoRandomBytes(CHUNK, n)));

  it('moves everything to and from the stock one', async () => {
    for (const [from, to] of [
      [lazyYamux(), yamux()],
      [yamux(), lazyYamux()],
      [lazyYamux(), lazyYamux()],
    ] as const) {
      const { received } = await transfer(from(), to());
      assert.ok(received.equals(expected));
    }
  });

  it('sends far fewer window updates than the stock one', async () => {
    const stock = await transfer(yamux()(), yamux()());
    const lazy = await transfer(yamux()(), lazyYamux()());
    assert.ok(lazy.updates > 0 && lazy.updates * 2 <= stock.updates, `${lazy.updates} of ${stock.updates}`);
  });
});
