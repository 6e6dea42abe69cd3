import assert from 'node:assert/strict';
import { noise } from '@libp2p/noise';
import type { MultiaddrConnection, Stream, Transport, Upgrader } from '@libp2p/interface';
import { webRTCDirect } from '@libp2p/webrtc';
import { createLibp2p, type Libp2p } from 'libp2p';
import { wholeMessages } from '../../src/node/webrtc-messages.ts';
import { readDirectly } from '../../src/swarm/direct-reads.ts';
import { pseudoRandomBytes } from './test-nodes.ts';

const PROTOCOL = '/test/1';
const SIZES = [1, 20, 5000, 16 * 1024, 100_000];
const EXPECTED = Buffer.concat(SIZES.map((size) => pseudoRandomBytes(size, size)));

type Make = (components: never) => Transport;

interface ChannelStream extends Stream {
  channel: RTCDataChannel;
}

function makeNode(make: Make): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/udp/0/webrtc-direct'] },
    transports: [make as never],
    connectionEncrypters: [noise()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
  });
}

/** Sends {@link SIZES} from one node to the other, and back. */
async function transfer(from: Make, to: Make, isDirect: boolean) {
  const [dialler, listener] = await Promise.all([makeNode(from), makeNode(to)]);
  try {
    const there = Promise.withResolvers<Buffer>();
    const back = Promise.withResolvers<Buffer>();
    const lengths: number[] = [];
    await listener.handle(PROTOCOL, (stream) => {
      (stream as ChannelStream).channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) =>
        lengths.push(data.byteLength),
      );
      gather(stream, isDirect, there.resolve);
      sendAll(stream);
    });
    const stream = await dialler.dialProtocol(listener.getMultiaddrs(), PROTOCOL);
    gather(stream, isDirect, back.resolve);
    sendAll(stream);
    return { there: await there.promise, back: await back.promise, lengths };
  } finally {
    await Promise.all([dialler.stop(), listener.stop()]);
  }
}

function sendAll(stream: Stream): void {
  for (const size of SIZES) stream.send(pseudoRandomBytes(size, size));
}

function gather(stream: Stream, isDirect: boolean, done: (all: Buffer) => void): void {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const take = (part: Uint8Array): void => {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes >= EXPECTED.byteLength) done(Buffer.concat(parts));
  };
  stream.addEventListener('message', ({ data }) => take(data.subarray()));
  if (isDirect) readDirectly(stream, take);
}

/** A stream of a muxer of `@libp2p/webrtc`, to which a peer sends. */
class OneStream {
  flags = 0;
  error: Error | undefined;
  readonly maxBufferedAmount = 0;
  readonly readStatus = 'closed';
  readonly channel: Partial<RTCDataChannel> = {};

  _sendMessage(): void {}

  processIncomingProtobuf(): void {
    this.flags++;
  }

  abort(error: Error): void {
    this.error ??= error;
  }

  bring(data: unknown): void {
    this.channel.onmessage?.call(this.channel as RTCDataChannel, { data } as MessageEvent);
  }
}

/** A muxer that takes streams, and how its connection ended. */
async function makeMuxer() {
  const muxer = {
    accepted: 0,
    onCreateStream() {},
    onDataChannel() {},
    onRemoteStream: () => muxer.accepted++,
  };
  const connection = {
    error: undefined as Error | undefined,
    abort: (error: Error) => void (connection.error ??= error),
  };
  const muxerFactory = { createStreamMuxer: (_connection: MultiaddrConnection) => muxer };
  const make = ({ upgrader }: { upgrader: Upgrader }) =>
    ({
      dial: () => upgrader.upgradeOutbound(undefined as never, { muxerFactory } as never),
      createListener() {},
    }) as unknown as Transport;
  const upgrader = { upgradeOutbound: async () => {} } as unknown as Upgrader;
  await wholeMessages(make)({ upgrader }).dial(undefined as never, { upgrader } as never);
  muxerFactory.createStreamMuxer(connection as unknown as MultiaddrConnection);
  const open = (): OneStream => {
    const stream = new OneStream();
    (muxer.onRemoteStream as (stream: OneStream) => void)(stream);
    return stream;
  };
  return { muxer, connection, open };
}

describe('WebRTC with whole messages', () => {
  const stock = (): Make => webRTCDirect({ rtcConfiguration: { iceServers: [] } }) as Make;
  const whole = (): Make => wholeMessages(stock() as never) as Make;

  it('moves everything to and from the stock one, in order', async () => {
    for (const [from, to] of [
      [whole(), stock()],
      [stock(), whole()],
      [whole(), whole()],
    ] as const) {
      for (const isDirect of [false, true]) {
        const { there, back } = await transfer(from, to, isDirect);
        assert.ok(there.equals(EXPECTED) && back.equals(EXPECTED));
      }
    }
  });

  it('sends a message of the data channel for each of its own', async () => {
    const { lengths } = await transfer(whole(), stock(), false);
    // What is longer than a message is sent in several; the protocol's name may come before.
    const headless = lengths.filter((length) => length < 4);
    assert.deepEqual(headless, []);
    const { lengths: ofStock } = await transfer(stock(), stock(), false);
    assert.ok(
      ofStock.some((length) => length < 4),
      'the stock one sends lengths on their own',
    );
  });

  it('ends a stream on which text comes', async () => {
    const { open } = await makeMuxer();
    const stream = open();
    stream.bring('4000000000');
    assert.match(String(stream.error), /text/);
  });

  it('answers as many flags as honest peers send, over all streams of a connection', async () => {
    const { open } = await makeMuxer();
    // 5,000 times that the peer writes no more.
    const flags = new Uint8Array(Array.from({ length: 5000 }, () => [2, 8, 0]).flat()).buffer;
    const streams = Array.from({ length: 20 }, open);
    for (const stream of streams) stream.bring(flags);
    const answered = streams.reduce((sum, stream) => sum + stream.flags, 0);
    assert.ok(answered >= 40_000 && answered < 60_000, String(answered));
    assert.match(String(streams.at(-1)?.error), /too many flags/);
  });

  it('ends a connection over which more streams are opened than honest peers open', async () => {
    const { muxer, connection, open } = await makeMuxer();
    for (let n = 0; n < 20_000; n++) open();
    assert.ok(muxer.accepted >= 10_000 && muxer.accepted < 15_000, String(muxer.accepted));
    assert.match(String(connection.error), /too many streams/);
  });

  it('ends a stream whose messages are longer than any that is sent', async () => {
    const [dialler, listener] = await Promise.all([makeNode(stock()), makeNode(whole())]);
    try {
      const ended = Promise.withResolvers<Error | undefined>();
      await listener.handle(PROTOCOL, (stream) =>
        stream.addEventListener('close', ({ error }) => ended.resolve(error)),
      );
      const stream = (await dialler.dialProtocol(listener.getMultiaddrs(), PROTOCOL)) as ChannelStream;
      // A length of 2 MiB.
      stream.channel.send(new Uint8Array([0x80, 0x80, 0x80, 0x01]));
      assert.match(String(await ended.promise), /a frame of 2097152 bytes/);
    } finally {
      await Promise.all([dialler.stop(), listener.stop()]);
    }
  });
});
