import type { StreamMuxer, StreamMuxerFactory, Transport, Upgrader } from '@libp2p/interface';
import type { AbstractStream } from '@libp2p/utils';
import { Uint8ArrayList } from 'uint8arraylist';
import { ProtoReader } from '../integrity/proto-reader.ts';
import { ProtoWriter } from '../integrity/proto-writer.ts';
import { takenBySocket } from '../store/sent-memory.ts';
import { handDirectly } from '../swarm/direct-reads.ts';
import { FrameSplitter } from '../swarm/wire/frame-splitter.ts';
import { MuxerAllowance } from './muxer-allowance.ts';
import { overridden } from './overridden.ts';
import { withUpgrader } from './with-upgrader.ts';

/** What this reads and changes of a stream of `@libp2p/webrtc` 6.0.33; all of it is public there. */
interface ChannelStream extends AbstractStream {
  readonly channel: RTCDataChannel;
  readonly maxBufferedAmount: number;
  processIncomingProtobuf(message: Uint8Array): void;
  sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean };
  _sendMessage(parts: Uint8ArrayList | Uint8Array[]): void;
}

interface ChannelMuxer extends StreamMuxer {
  onCreateStream(options?: object): Promise<ChannelStream>;
  onRemoteStream(stream: ChannelStream): void;
  onDataChannel(channel: RTCDataChannel, early?: readonly MessageEvent[]): void;
}

/** Most that a browser takes for one message; the specification asks for 16 KiB. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** The field with bytes; the other one is of flags. Source: https://github.com/libp2p/specs/tree/master/webrtc */
const BYTES_FIELD = 2;

/** Where messages are put together, one after another: a channel copies what it is given to send. */
let scratch = new Uint8Array(0);

/**
 * WebRTC whose streams send each of their messages as one of the data channel. `@libp2p/webrtc` sends the length before it
 * as a message of its own: twice the messages, and for what is short twice the packets, each of which goes through three
 * processes of a browser. What arrives is handed on at once, to who asked for it without an event between
 * (`direct-reads.ts`): there it goes through two queues, each with promises. And a channel that was full takes more when
 * half of that has left, not all.
 */
export function wholeMessages<C extends { upgrader: Upgrader }, T extends Transport>(
  make: (components: C) => T,
): (components: C) => T {
  return withUpgrader(make, changingMuxers);
}

/** The same, but it changes the muxers that it is given. */
function changingMuxers(upgrader: Upgrader): Upgrader {
  const changing =
    (name: 'upgradeInbound' | 'upgradeOutbound') =>
    (...[connection, options]: Parameters<Upgrader['upgradeOutbound']>) => {
      change(options?.muxerFactory);
      return upgrader[name](connection, options) as Promise<never>;
    };
  return overridden(upgrader, {
    upgradeInbound: changing('upgradeInbound'),
    upgradeOutbound: changing('upgradeOutbound'),
  });
}

/** Each connection has a factory of its own. */
function change(factory: StreamMuxerFactory | undefined): void {
  const create = factory?.createStreamMuxer.bind(factory);
  if (!factory || !create) return;
  factory.createStreamMuxer = (connection) => {
    const muxer = create(connection) as ChannelMuxer;
    const allowance = new MuxerAllowance();
    const open = muxer.onCreateStream.bind(muxer);
    muxer.onCreateStream = async (options) => changed(await open(options), allowance);
    const accept = muxer.onRemoteStream.bind(muxer);
    muxer.onRemoteStream = (stream) => {
      try {
        allowance.take('open');
      } catch (error) {
        // Nobody would hear of it here; its channels end with it.
        return connection.abort(error as Error);
      }
      accept(changed(stream, allowance));
    };
    const take = muxer.onDataChannel.bind(muxer);
    muxer.onDataChannel = (channel, early = []) => {
      take(channel);
      // What came before there was a muxer is read as all that follows: the rest of it may be still to come.
      for (const event of early) channel.onmessage?.(event);
    };
    return muxer;
  };
}

function changed(stream: ChannelStream, allowance: MuxerAllowance): ChannelStream {
  const { channel } = stream;
  const send = stream._sendMessage.bind(stream);
  stream._sendMessage = (parts) => send(parts instanceof Uint8ArrayList ? [parts.subarray()] : parts);
  stream.sendData = (data) => {
    if (channel.readyState !== 'open') return { sentBytes: 0, canSendMore: false };
    send([messageOf(data)]);
    return {
      sentBytes: data.byteLength,
      canSendMore: channel.bufferedAmount < stream.maxBufferedAmount,
    };
  };
  channel.bufferedAmountLowThreshold = stream.maxBufferedAmount / 2;
  const frames = new FrameSplitter(MAX_MESSAGE_BYTES);
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    try {
      // Of the text of a number there would be made so many bytes.
      if (!(data instanceof ArrayBuffer)) throw new TypeError('text, which is no message here');
      frames.push(new Uint8Array(data), (message) => receive(stream, message, allowance));
    } catch (error) {
      stream.abort(error as Error);
    }
  };
  return stream;
}

/** The message with bytes, its length before it: valid until the next one is made. */
function messageOf(data: Uint8ArrayList): Uint8Array {
  const head = new ProtoWriter()
    .varint(BYTES_FIELD * 8 + 2)
    .varint(data.byteLength)
    .finish();
  const length = new ProtoWriter().varint(head.byteLength + data.byteLength).finish();
  const bytes = length.byteLength + head.byteLength + data.byteLength;
  if (scratch.byteLength < bytes) scratch = new Uint8Array(bytes);
  scratch.set(length);
  scratch.set(head, length.byteLength);
  let at = length.byteLength + head.byteLength;
  for (const part of data) {
    scratch.set(part, at);
    at += part.byteLength;
    takenBySocket(part);
  }
  return scratch.subarray(0, at);
}

function receive(stream: ChannelStream, message: Uint8Array, allowance: MuxerAllowance): void {
  const bytes = onlyBytes(message);
  if (!bytes) {
    allowance.take('flag');
    return stream.processIncomingProtobuf(message);
  }
  if (handDirectly(stream, bytes)) return;
  allowance.keep(bytes.byteLength);
  if (stream.readStatus === 'readable' || stream.readStatus === 'paused') stream.onData(bytes);
}

/** The bytes of a message that has nothing else. */
function onlyBytes(message: Uint8Array): Uint8Array | undefined {
  const reader = new ProtoReader(message);
  const { field, wire } = reader.tag();
  if (field !== BYTES_FIELD || wire !== 2) return undefined;
  const bytes = reader.bytes();
  return reader.ended ? bytes : undefined;
}
