import type { MultiaddrConnection, StreamMuxerFactory, Transport, Upgrader } from '@libp2p/interface';
import { webRTC } from '@libp2p/webrtc';
import { FIRST_CHANNEL } from './first-channel.ts';
import { overridden } from './overridden.ts';
import { wholeMessages } from './webrtc-messages.ts';
import { withUpgrader } from './with-upgrader.ts';

type Components = Parameters<ReturnType<typeof webRTC>>[0];

/** What this reads of the factory that `@libp2p/webrtc` upgrades with: the channels that came before there is a muxer. */
interface EarlyChannels extends StreamMuxerFactory {
  readonly peerConnection: RTCPeerConnection;
  readonly earlyDataChannels: readonly { channel: RTCDataChannel }[];
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
  return withUpgrader(wholeMessages(make), upgradingWebRtc);
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
