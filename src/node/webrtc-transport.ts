import type {
  Connection,
  MultiaddrConnection,
  Stream,
  StreamMuxerFactory,
  Transport,
  Upgrader,
} from '@libp2p/interface';
import { webRTC } from '@libp2p/webrtc';
import { FIRST_CHANNEL } from './first-channel.ts';
import { overridden } from './overridden.ts';
import { PendingConnections } from './pending-connections.ts';
import { wholeMessages } from './webrtc-messages.ts';
import { withUpgrader } from './with-upgrader.ts';

type Components = Parameters<ReturnType<typeof webRTC>>[0];

/** What this reads of the factory that `@libp2p/webrtc` upgrades with: the channels that came before there is a muxer. */
interface EarlyChannels extends StreamMuxerFactory {
  readonly peerConnection: RTCPeerConnection;
  readonly earlyDataChannels: readonly { channel: RTCDataChannel }[];
}

/** What this changes of the transport: somebody who is connected, perhaps through a relay, calls for a connection. */
export interface Signalled {
  _onProtocol(stream: Stream, connection: Connection, signal: AbortSignal): Promise<void>;
}

/**
 * WebRTC between two peers of whom none need be reachable: they find each other through a relay (`…/p2p-circuit/webrtc`),
 * and what they exchange then goes directly.
 *
 * In `@libp2p/webrtc` 6.0.33 both ends close the first channel. The dialler waits for it to open, and waits in vain where
 * the other end has seen and closed it before: one dial in ten timed out. So here the end that was dialled leaves the
 * channel alone until the dialler has closed it. And it keeps each connection until it hears a `close` of it, which neither
 * browsers nor `node-datachannel` tell of: for good, and Chromium makes no more after 500. So it is told.
 *
 * @param stunServers `stun:` URLs by which this end learns its address outside of its NAT; without any none is asked
 */
export function webRtcTransport(stunServers: readonly string[]): (components: Components) => Transport {
  const iceServers = stunServers.map((urls) => ({ urls }));
  // A new object each time: the transport writes into it.
  const make = webRTC({ rtcConfiguration: () => ({ iceServers: [...iceServers] }) });
  const makeUpgrading = withUpgrader(wholeMessages(make), upgradingWebRtc);
  return (components) => {
    const transport = makeUpgrading(components);
    boundCalls(transport as unknown as Signalled);
    return transport;
  };
}

/**
 * Has no more connections made at a time than {@link PendingConnections} lets: whoever is connected may call for 32 on each
 * connection, of which each has a socket, and memory of native code, until somebody proves something on it or its time is up.
 */
export function boundCalls(transport: Signalled): void {
  const pending = new PendingConnections();
  const answer = transport._onProtocol.bind(transport);
  transport._onProtocol = async (stream, connection, signal) => {
    const [first] = connection.remoteAddr.getComponents();
    using leave = pending.take(first?.value ?? connection.remotePeer.toString());
    if (leave) await answer(stream, connection, signal);
    else stream.abort(new Error('too many connections are being made from there'));
  };
}

/** What `@libp2p/webrtc` upgrades its connections by: {@link webRtcTransport} says why. */
export function upgradingWebRtc(upgrader: Upgrader): Upgrader {
  const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) => {
    const { muxerFactory, signal } = options ?? {};
    if (muxerFactory) {
      tellOfEnd(connection, muxerFactory as EarlyChannels);
      await firstChannelClosed(muxerFactory as EarlyChannels, signal);
    }
    return upgrader.upgradeInbound(connection, options);
  };
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection, options) => {
    if (options?.muxerFactory) tellOfEnd(connection, options.muxerFactory as EarlyChannels);
    return upgrader.upgradeOutbound(connection, options);
  };
  return overridden(upgrader, { upgradeInbound, upgradeOutbound });
}

function tellOfEnd(connection: MultiaddrConnection, { peerConnection }: EarlyChannels): void {
  connection.addEventListener('close', () => peerConnection.dispatchEvent(new Event('close')), {
    once: true,
  });
}

/** Resolves when the first channel has come and gone. @throws the abort reason */
async function firstChannelClosed(
  { peerConnection, earlyDataChannels }: EarlyChannels,
  signal?: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listening = new AbortController();
  const options = { signal: listening.signal };
  const watch = (channel: RTCDataChannel): void => {
    if (channel.label !== FIRST_CHANNEL) return;
    if (channel.readyState === 'closed') resolve();
    else channel.addEventListener('close', () => resolve(), options);
  };
  for (const { channel } of earlyDataChannels) watch(channel);
  peerConnection.addEventListener('datachannel', ({ channel }) => watch(channel), options);
  const abort = (): void => reject(signal?.reason as Error);
  signal?.addEventListener('abort', abort, options);
  if (signal?.aborted) abort();
  try {
    await promise;
  } finally {
    listening.abort();
  }
}
