import { UnsupportedProtocolError, type StreamMuxer } from '@libp2p/interface';
import { varint } from 'multiformats';
import type { Uint8ArrayList } from 'uint8arraylist';

/** What this needs of a muxer's stream; all of it is public in `@libp2p/utils`. */
interface NegotiatedStream {
  protocol: string;
  send(bytes: Uint8Array): boolean;
  onData(data: Uint8Array | Uint8ArrayList): void;
  abort(error: Error): void;
}

const MULTISTREAM = '/multistream/1.0.0';

/**
 * Streams of some protocols are used from the start: what is asked for, and the first bytes of it, go out before the other
 * side has said that it speaks the protocol, as go-libp2p does (`msmux.NewMSSelect`). `newStream` of libp2p 3 waits for
 * that, a round trip for each link. Where the other side does not speak it, the stream ends with UnsupportedProtocolError.
 *
 * @param isEager whether streams of the protocol are used from the start
 */
export function openEagerly(muxer: StreamMuxer, isEager: (protocol: string) => boolean): void {
  const create = muxer.createStream.bind(muxer);
  muxer.createStream = async (options) => {
    const stream = await create(options);
    const protocol = options?.protocol;
    if (protocol !== undefined && isEager(protocol))
      negotiate(stream as unknown as NegotiatedStream, protocol);
    return stream;
  };
}

/** What is asked, and what is answered where the other side agrees, are the same bytes. */
function negotiate(stream: NegotiatedStream, protocol: string): void {
  const agreed = new Uint8Array([...line(MULTISTREAM), ...line(protocol)]);
  const pass = stream.onData.bind(stream);
  let matched = 0;
  stream.protocol = protocol;
  stream.onData = (data) => {
    const answer = data.subarray(0, Math.min(data.byteLength, agreed.byteLength - matched));
    for (const byte of answer) {
      if (byte === agreed[matched]) matched++;
      else return stream.abort(new UnsupportedProtocolError(`the peer does not speak ${protocol}`));
    }
    if (matched < agreed.byteLength) return;
    stream.onData = pass;
    pass(data.subarray(answer.byteLength));
  };
  stream.send(agreed);
}

/** A line of multistream-select (https://github.com/multiformats/multistream-select): its length, itself, a line feed. */
function line(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(`${text}\n`);
  const head = varint.encodingLength(bytes.byteLength);
  const whole = varint.encodeTo(bytes.byteLength, new Uint8Array(head + bytes.byteLength));
  whole.set(bytes, head);
  return whole;
}
