import { yamux } from '@chainsafe/libp2p-yamux';
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';
import type { AbstractStream } from '@libp2p/utils';
import type { Uint8ArrayList } from 'uint8arraylist';
import { handDirectly, readDirectly } from '../swarm/direct-reads.ts';
import { arrivalsOf, countArrivals } from '../swarm/sign-of-life.ts';
import { openEagerly } from './eager-streams.ts';
import { MuxerAllowance } from './muxer-allowance.ts';
import { YamuxParts, type FramedMuxer } from './yamux-parts.ts';

/** What this reads of a stream of `@chainsafe/libp2p-yamux`; all of it is public there. */
interface WindowedStream extends AbstractStream {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

interface WindowedMuxer extends FramedMuxer {
  abort(error: Error): void;
  _newStream(...args: unknown[]): WindowedStream;
  getRTT(): number;
}

/** `StreamState.Established`, which the package does not export. */
const ESTABLISHED = 3;

/**
 * A connection is pinged so often: in time for the two minutes of silence after which libp2p's TCP ends it, with a ping to
 * spare where both ends do so. Every 30 s, as yamux does by itself, it was a sixth of what a seed at rest does.
 */
const KEEP_ALIVE_MS = 75_000;

/**
 * Streams that a peer may have open on a connection: more than Shoal's, the DHT's and a relay's 32 of each, few of which are open at
 * once. Each takes 25 KB before anything is known of what it is for, and twelve bytes open it: with yamux's own 1,000 a hundred
 * connections took 2.5 GB.
 */
const MAX_INBOUND_STREAMS = 128;

/**
 * Yamux that tells of bytes it has read only when half a window of them has come together, as other implementations do
 * (https://github.com/hashicorp/yamux/blob/master/stream.go, sendWindowUpdate). `@chainsafe/libp2p-yamux` does so
 * after each frame: half of all packets and of the events of a crowd were that. What arrives is handed on as it comes
 * (`yamux-parts.ts`), to who asked for it without an event between (`direct-reads.ts`). Shoal's own streams are opened
 * eagerly (`eager-streams.ts`).
 */
export function lazyYamux(): () => StreamMuxerFactory {
  return () => {
    const factory = yamux({ keepAliveInterval: KEEP_ALIVE_MS, maxInboundStreams: MAX_INBOUND_STREAMS })();
    const create = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection: MessageStream) => {
      const muxer = create(connection);
      const allowance = new MuxerAllowance();
      const arrived = takeParts(muxer as unknown as WindowedMuxer, connection, allowance);
      makeLazy(muxer as unknown as WindowedMuxer, allowance, arrived);
      openEagerly(muxer, (protocol) => protocol.startsWith('/shoal/'));
      return muxer;
    };
    return factory;
  };
}

function makeLazy(muxer: WindowedMuxer, allowance: MuxerAllowance, arrived: () => number): void {
  // A window grows where half of it was read within four round trips: of none, as loopback seems to take, never.
  const rtt = muxer.getRTT.bind(muxer);
  muxer.getRTT = () => (rtt() === 0 ? 1 : rtt());
  const create = muxer._newStream.bind(muxer);
  muxer._newStream = (...args) => {
    const stream = create(...args);
    countArrivals(stream, arrived);
    const receive = stream.onData.bind(stream);
    stream.onData = (data) => {
      if (!(data instanceof Uint8Array)) return receive(data);
      if (handDirectly(stream, data)) return;
      allowance.keep(data.byteLength);
      // What is kept must be a copy: the memory is used again.
      receive(new Uint8Array(data));
    };
    const tell = stream.sendWindowUpdate.bind(stream);
    stream.sendWindowUpdate = () => {
      const isHalfLeft = stream.recvWindowCapacity * 2 > stream.recvWindow;
      if (!(isHalfLeft && stream.state === ESTABLISHED)) tell();
    };
    return stream;
  };
}

/** @returns what grows whenever something comes, and be it a part of what TLS hands on as a whole */
function takeParts(muxer: WindowedMuxer, connection: MessageStream, allowance: MuxerAllowance): () => number {
  const parts = new YamuxParts(muxer, allowance);
  let arrivals = 0;
  muxer.onData = (data: Uint8Array | Uint8ArrayList) => {
    arrivals++;
    parts.push(data);
  };
  readDirectly(connection, (bytes) => {
    arrivals++;
    try {
      parts.push(bytes);
    } catch (error) {
      muxer.abort(error as Error);
      connection.abort(error as Error);
    }
  });
  return () => arrivals + (arrivalsOf(connection) ?? 0);
}
