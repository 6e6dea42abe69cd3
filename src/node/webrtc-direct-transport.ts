import type { Listener, Transport } from '@libp2p/interface';
import { webRTCDirect, type TransportCertificate } from '@libp2p/webrtc';
import { Audio } from 'node-datachannel';
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import { boundHandshake } from './handshake-channel.ts';
import { networkOf } from './ip-host.ts';
import { PendingConnections } from './pending-connections.ts';
import { wholeMessages } from './webrtc-messages.ts';

type Components = Parameters<ReturnType<typeof webRTCDirect>>[0];

/** A UDP socket, by whose port `@libp2p/webrtc` knows that it is in use here, and by whose owner who closes it. */
interface MuxServer {
  owner: unknown;
  port: number;
  readonly server: Promise<unknown>;
}

/** What this changes of the listener of `@libp2p/webrtc` 6.0.33; it makes the native listener in the microtask that it queues. */
interface DirectListener extends Listener {
  startUDPMuxServer(host: string, port: number, family: 4 | 6): MuxServer;
  /** Somebody's first packet has come. Ends when the connection is made, or has failed. */
  incomingConnection(ufrag: string, host: string, port: number, signal: AbortSignal): Promise<void>;
}

/** What the native listener takes is one allocation of about 112 bytes on 64-bit machines: these are around it. */
const SIZES = Array.from({ length: 17 }, (_, index) => 72 + 8 * index);

// Of webrtc-direct `@libp2p/webrtc` makes a class below this one, and hands out no connection before it is proved.
const { prototype } = RTCPeerConnection;
const create = Reflect.get(prototype, 'createDataChannel') as typeof prototype.createDataChannel;
prototype.createDataChannel = function (this: RTCPeerConnection, label, init) {
  const channel = create.call(this, label, init);
  const isOfOthers = Object.getPrototypeOf(this) === prototype;
  return init?.negotiated && !isOfOthers ? boundHandshake(channel) : channel;
};

/**
 * webrtc-direct, which pages dial, and which gives its UDP port back when the node closes.
 *
 * In libdatachannel 0.24.5 (`node-datachannel` 0.33.4) `IceUdpMuxListener` does not initialise `mStopped`, by which it knows
 * that it has been stopped. Where its memory was used before, which is nearly always, `stop()` takes itself for stopped
 * already: the socket and its thread stay for as long as the process lives, and the thread calls the freed listener for
 * every STUN request that still comes. That hangs or aborts the process. So the memory that the listener gets next is
 * filled with zeros before (see {@link zeroFreedMemory}).
 *
 * And it makes no more connections at a time than {@link PendingConnections} lets it: a page that is not answered calls again.
 *
 * @param certificate what links name by its hash
 */
export function webRtcDirectTransport(
  certificate: TransportCertificate,
): (components: Components) => Transport {
  // No STUN server: pages come to an address they have, and nothing is asked of anybody's servers.
  const make = wholeMessages(webRTCDirect({ certificate, rtcConfiguration: { iceServers: [] } }));
  return (components) => {
    const transport = make(components);
    const pending = new PendingConnections();
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => {
      const listener = createListener(options) as DirectListener;
      const start = listener.startUDPMuxServer.bind(listener);
      listener.startUDPMuxServer = (...args) => {
        silenceNativeCode();
        // The next one makes the native listener.
        queueMicrotask(zeroFreedMemory);
        const made = start(...args);
        made.server.catch(() => forget(made));
        return made;
      };
      const incoming = listener.incomingConnection.bind(listener);
      listener.incomingConnection = async (...args) => {
        const [, host] = args;
        using leave = pending.take(networkOf(host));
        if (leave) await incoming(...args);
      };
      return listener;
    };
    return transport;
  };
}

/**
 * One that could not be made: closing it would fail, with what failed before in place of why the node did not start, and its
 * port would be in use for as long as the process lives.
 */
function forget(server: MuxServer): void {
  server.owner = undefined;
  server.port = -1;
}

/** An offer to connect, from nobody. */
const OFFER = [
  'v=0',
  'o=- 1 0 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  'a=mid:0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  `a=fingerprint:sha-256 ${Array<string>(32).fill('00').join(':')}`,
  'a=setup:actpass',
  'a=sctp-port:5000',
  '',
].join('\r\n');

let isSilent = false;

/**
 * libjuice writes to the standard output, which is the program's own (what `get -o -` gives, or JSON), until a connection begins:
 * only then libdatachannel tells it to be silent. Each packet of rubbish that anybody sent to the port was a line there. A connection
 * that has a channel would keep the process from ending.
 */
function silenceNativeCode(): void {
  if (isSilent) return;
  isSilent = true;
  const connection = new RTCPeerConnection({ iceServers: [] });
  connection.setRemoteDescription({ type: 'offer', sdp: OFFER }).catch(() => {});
  connection.close();
}

/**
 * Makes the C allocator give out zeros for what is of these sizes and asked for next: allocators give first what the same
 * thread gave back last. Native code copies a text of zeros that it is given, and gives the copy back when it returns; of
 * two at once the second is left for the listener where something else takes the first.
 */
function zeroFreedMemory(): void {
  const audio = new Audio('0', 'Inactive');
  for (const size of SIZES) {
    const zeros = '\0'.repeat(size);
    audio.generateSdp(zeros, zeros, 1);
  }
}
