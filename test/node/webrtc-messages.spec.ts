import assert from 'node:assert/strict';
import { noise } from '@libp2p/noise';
import type { Stream, Transport } from '@libp2p/interface';
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
