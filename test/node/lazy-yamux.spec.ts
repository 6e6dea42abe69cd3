import assert from 'node:assert/strict';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Stream, StreamMuxerFactory } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';
import { pseudoRandomBytes } from './test-nodes.ts';

const CHUNK = 64 * 1024;
const CHUNKS = 64;

/** The window that every stream begins with (https://github.com/hashicorp/yamux/blob/master/spec.md). */
const FIRST_WINDOW = 256 * 1024;

interface Framed {
  sendFrame(header: { type: number; flag: number; length: number }, data?: unknown): unknown;
}

/** Sends chunks from one muxer to the other, over a pair of connections in memory. `updates`: the bytes each told of. */
async function transfer(
  from: StreamMuxerFactory,
  to: StreamMuxerFactory,
): Promise<{ received: Buffer; updates: number[] }> {
  const [near, far] = multiaddrConnectionPair();
  const sender = from.createStreamMuxer(near);
  const receiver = to.createStreamMuxer(far);
  const updates: number[] = [];
  const framed = receiver as unknown as Framed;
  const sendFrame = framed.sendFrame.bind(framed);
  framed.sendFrame = (header, data) => {
    // One that takes up a stream goes out at once, whatever it tells of.
    if (header.type === 1 && header.flag === 0) updates.push(header.length);
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

  it('tells of at least half a window at once, where the stock one tells of every frame', async () => {
    const stock = await transfer(yamux()(), yamux()());
    const lazy = await transfer(yamux()(), lazyYamux()());
    assert.ok(Math.min(...stock.updates) < FIRST_WINDOW / 2, `stock: ${stock.updates.join(' ')}`);
    assert.ok(lazy.updates.length > 0);
    assert.ok(Math.min(...lazy.updates) >= FIRST_WINDOW / 2, `lazy: ${lazy.updates.join(' ')}`);
  });

  it('takes as many streams of a peer at once as are of use, and others when some have ended', async () => {
    const [near, far] = multiaddrConnectionPair();
    const sender = yamux()().createStreamMuxer(near);
    const receiver = lazyYamux()().createStreamMuxer(far);
    const taken: Stream[] = [];
    receiver.addEventListener('stream', ({ detail }: CustomEvent<Stream>) => void taken.push(detail));
    const open = async (): Promise<void> => {
      await Promise.all(Array.from({ length: 200 }, () => sender.createStream()));
      // The answer comes behind that of the streams.
      await (sender as unknown as { ping(): Promise<number> }).ping();
    };
    await open();
    assert.equal(taken.length, 128);
    taken[0]?.abort(new Error('it has ended'));
    await open();
    assert.equal(taken.length, 129);
    near.abort(new Error('the test is over'));
  });
});
