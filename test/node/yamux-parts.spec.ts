import assert from 'node:assert/strict';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { MessageStream, Stream } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import fc from 'fast-check';
import type { Uint8ArrayList } from 'uint8arraylist';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';
import { YamuxParts } from '../../src/node/yamux-parts.ts';
import { readDirectly } from '../../src/swarm/direct-reads.ts';

const DATA = 0;
const WINDOW_UPDATE = 1;
const PING = 2;
const SYN = 1;
const ACK = 2;
const FIN = 4;
const RST = 8;

function frame(type: number, flags: number, stream: number, length: number, body?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + (body?.byteLength ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, stream);
  view.setUint32(8, length);
  if (body) bytes.set(body, 12);
  return bytes;
}

function body(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
}

/** A muxer with the streams 2 and 4 that writes down what it is told, with the parts of a body as one. */
function recorder() {
  const log: string[] = [];
  let last: { id: number; bytes: number[] } | undefined;
  const flush = (): void => {
    if (last) log.push(`${last.id}: ${last.bytes.join(' ')}`);
    last = undefined;
  };
  const streams = [2, 4].map((streamId) => ({
    streamId,
    handleData: ({ header, data }: { header: { flag: number; length: number }; data: Uint8Array }) => {
      assert.equal(header.length, data.byteLength);
      assert.equal(header.flag, 0);
      if (last?.id !== streamId) flush();
      last ??= { id: streamId, bytes: [] };
      last.bytes.push(...data);
    },
  }));
  const onData = (data: Uint8Array | Uint8ArrayList): void => {
    flush();
    const head = data.subarray();
    assert.equal(head.byteLength, 12);
    const view = new DataView(head.buffer, head.byteOffset);
    log.push(`${view.getUint8(1)} ${view.getUint16(2)} ${view.getUint32(4)} ${view.getUint32(8)}`);
  };
  const parts = new YamuxParts({ streams, onData });
  return { parts, streams, told: () => (flush(), log) };
}

describe('bodies of yamux frames, in parts', () => {
  const wire = Buffer.concat([
    frame(WINDOW_UPDATE, SYN, 2, 262_144),
    frame(DATA, SYN | ACK, 2, 5, body(5, 1)),
    frame(PING, SYN, 0, 77),
    frame(DATA, 0, 6, 4, body(4, 2)),
    frame(DATA, FIN, 4, 3, body(3, 3)),
    frame(DATA, RST, 2, 0),
  ]);
  const expected = [
    `1 ${SYN} 2 262144`,
    `0 ${SYN | ACK} 2 0`,
    `2: ${body(5, 1).join(' ')}`,
    `2 ${SYN} 0 77`,
    // Nobody has a stream 6: the muxer hears of it, and its body is dropped.
    '0 0 6 0',
    '0 0 4 0',
    `4: ${body(3, 3).join(' ')}`,
    // The end of a stream is told of behind what came before it.
    `0 ${FIN} 4 0`,
    `0 ${RST} 2 0`,
  ];

  it('are told of alike, wherever the connection cuts them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: wire.byteLength }), { maxLength: 12 }), (cuts) => {
        const { parts, told } = recorder();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), wire.byteLength];
        for (let i = 1; i < edges.length; i++) parts.push(wire.subarray(edges[i - 1], edges[i]));
        assert.deepEqual(told(), expected);
      }),
    );
  });

  it('go no further to a stream that ended in the middle', () => {
    const { parts, streams, told } = recorder();
    const whole = frame(DATA, 0, 2, 4, body(4, 0));
    parts.push(whole.subarray(0, 14));
    streams.shift();
    parts.push(whole.subarray(14));
    parts.push(frame(PING, SYN, 0, 1));
    assert.deepEqual(told(), ['0 0 2 0', `2: ${body(2, 0).join(' ')}`, `2 ${SYN} 0 1`]);
  });
});

/** A stream between a stock muxer and ours; `near` writes, `far` reads. */
async function streamPair() {
  const [nearConnection, farConnection] = multiaddrConnectionPair();
  const sender = yamux()().createStreamMuxer(nearConnection);
  const receiver = lazyYamux()().createStreamMuxer(farConnection);
  const arrival = Promise.withResolvers<Stream>();
  receiver.addEventListener('stream', ({ detail }: CustomEvent<Stream>) => arrival.resolve(detail));
  const near = await sender.createStream();
  return { near, far: await arrival.promise, nearConnection, farConnection };
}

describe('a muxer that hands bodies on in parts', () => {
  it('hands over what came of a frame that never becomes whole', async () => {
    const { far, farConnection } = await streamPair();
    const arrived = new Promise<number>((resolve) => {
      far.addEventListener('message', ({ data }) => resolve(data.byteLength), { once: true });
    });
    const id = Number(far.id);
    // As if the connection had brought this much, and no more.
    farConnection.push(frame(DATA, 0, id, 100_000, body(1000, 0)));
    assert.equal(await arrived, 1000);
    farConnection.abort(new Error('the test is over'));
  });

  it('cuts off a peer that sends more than the window, before all of it has come', async () => {
    const { far, farConnection } = await streamPair();
    const closed = new Promise((resolve) => farConnection.addEventListener('close', resolve));
    far.pause();
    const id = Number(far.id);
    farConnection.push(frame(DATA, 0, id, 4_000_000_000, body(100_000, 0)));
    for (let n = 0; n < 3; n++) farConnection.push(body(100_000, n));
    await closed;
    assert.equal(farConnection.status, 'aborted');
  });

  /** Pushes frames, many at a time, until the connection ends or all are in. */
  async function flood(connection: MessageStream, one: Uint8Array, times: number): Promise<void> {
    const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
    for (let n = 0; n < times && connection.status === 'open'; n += 1000) {
      connection.push(many);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The same to one that is to end by it: it may do so when it has read what is in by then. */
  async function floodToTheEnd(connection: MessageStream, one: Uint8Array, times: number): Promise<void> {
    const closed = new Promise((resolve) => connection.addEventListener('close', resolve));
    await flood(connection, one, times);
    await closed;
  }

  it('cuts off a peer that sends byte after byte of what is kept until it is whole', async () => {
    const { far, farConnection } = await streamPair();
    let kept = 0;
    far.addEventListener('message', () => kept++);
    await floodToTheEnd(farConnection, frame(DATA, 0, Number(far.id), 1, body(1, 0)), 200_000);
    assert.equal(farConnection.status, 'aborted');
    assert.ok(kept < 40_000, `${kept} pieces`);
  });

  it('takes as many small pieces as a reader of Shoal reads at once', async () => {
    const { far, farConnection } = await streamPair();
    let read = 0;
    readDirectly(far, (bytes) => void (read += bytes.byteLength));
    await flood(farConnection, frame(DATA, 0, Number(far.id), 1, body(1, 0)), 100_000);
    while (read < 100_000) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(farConnection.status, 'open');
    farConnection.abort(new Error('the test is over'));
  });

  for (const [what, one] of [
    ['pings', frame(PING, SYN, 0, 1)],
    ['streams that it does not use', frame(WINDOW_UPDATE, SYN, 1001, 0)],
  ] as const) {
    it(`cuts off a peer that sends ${what} over and over`, async () => {
      const { farConnection } = await streamPair();
      await floodToTheEnd(farConnection, one, 100_000);
      assert.equal(farConnection.status, 'aborted');
    });
  }

  it('keeps the order of what waited for a paused reader and what is read directly', async () => {
    const { near, far, farConnection } = await streamPair();
    const seen: number[] = [];
    far.addEventListener('message', ({ data }) => seen.push(...data.subarray()));
    far.pause();
    near.send(Uint8Array.of(1, 2));
    await new Promise((resolve) => setTimeout(resolve, 20));
    readDirectly(far, (bytes) => seen.push(...bytes));
    near.send(Uint8Array.of(3));
    far.resume();
    near.send(Uint8Array.of(4));
    while (seen.length < 4) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, [1, 2, 3, 4]);
    farConnection.abort(new Error('the test is over'));
  });
});
