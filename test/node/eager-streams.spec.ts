import assert from 'node:assert/strict';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Stream, StreamMuxer } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';

const PROTOCOL = '/shoal/main/control/1';

/** What multistream-select says where both sides agree: the same in both directions. */
const AGREED = `\x13/multistream/1.0.0\n\x16${PROTOCOL}\n`;

/** A muxer of Shoal, and a stock one that knows nothing of protocols, over a pair of connections in memory. */
function muxers(): { near: StreamMuxer; far: StreamMuxer; end: () => void } {
  const [ours, theirs] = multiaddrConnectionPair();
  return {
    near: lazyYamux()().createStreamMuxer(ours),
    far: yamux()().createStreamMuxer(theirs),
    end: () => ours.abort(new Error('the test is over')),
  };
}

function nextStream(muxer: StreamMuxer): Promise<Stream> {
  const { promise, resolve } = Promise.withResolvers<Stream>();
  muxer.addEventListener('stream', ({ detail }: CustomEvent<Stream>) => resolve(detail));
  return promise;
}

/** The next `length` bytes of the stream, as text. */
function read(stream: Stream, length: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  stream.addEventListener('message', ({ data }) => {
    text += Buffer.from(data.subarray()).toString('latin1');
    if (text.length >= length) resolve(text);
  });
  return promise;
}

describe('streams that are used before the other side has agreed', () => {
  it('sends the first bytes behind what it asks for, with no answer yet', async () => {
    const { near, far, end } = muxers();
    const incoming = nextStream(far);
    const stream = await near.createStream({ protocol: PROTOCOL });
    stream.send(Buffer.from('hello'));
    assert.equal(stream.protocol, PROTOCOL);
    assert.equal(await read(await incoming, AGREED.length + 5), `${AGREED}hello`);
    end();
  });

  it('hands on what follows the agreement, however the answer is cut', async () => {
    for (const cut of [1, 7, AGREED.length, AGREED.length + 2, AGREED.length + 5]) {
      const { near, far, end } = muxers();
      const incoming = nextStream(far);
      const stream = await near.createStream({ protocol: PROTOCOL });
      const reading = read(stream, 5);
      const other = await incoming;
      const answer = Buffer.from(`${AGREED}world`);
      for (let at = 0; at < answer.byteLength; at += cut) other.send(answer.subarray(at, at + cut));
      assert.equal(await reading, 'world', `in pieces of ${cut}`);
      end();
    }
  });

  it('ends where the other side does not speak the protocol', async () => {
    const { near, far, end } = muxers();
    const incoming = nextStream(far);
    const stream = await near.createStream({ protocol: PROTOCOL });
    const closed = new Promise<Error | undefined>((resolve) =>
      stream.addEventListener('close', (event) => resolve(event.error)),
    );
    (await incoming).send(Buffer.from('\x13/multistream/1.0.0\n\x03na\n'));
    assert.equal((await closed)?.name, 'UnsupportedProtocolError');
    end();
  });

  it('leaves the streams of others to libp2p', async () => {
    const { near, end } = muxers();
    const stream = await near.createStream({ protocol: '/ipfs/id/1.0.0' });
    assert.equal(stream.protocol, '');
    end();
  });
});
