import type { Transport } from '@libp2p/interface';
import type { LogLevel } from '../api.ts';
import type { Store } from '../store/store.ts';
import { boundInbound } from './inbound-bounds.ts';
import { pageCertificate } from './page-certificate.ts';
import { webSocketTransport } from './web-socket-transport.ts';

/** As `createLibp2p` takes them. */
export type TransportFactory = (components: never) => Transport;

/** What {@link pageTransports} gives. */
export interface PageTransports {
  transports: TransportFactory[];
  /** Whether pages can come over WebRTC. Where not, only pages on http and localhost reach this node. */
  hasWebRtc: boolean;
}

/**
 * The transports by which pages reach a node: webrtc-direct, for any page, and WebSocket, for pages on http and localhost.
 * Import this file only where they are used: WebRTC's native code and its packages cost time and memory.
 *
 * WebRTC is native code in a package of its own (`node-datachannel`), which not every platform has: where it cannot be
 * loaded, that is logged, and WebSocket alone remains.
 */
export async function pageTransports(
  store: Store,
  stunServers: readonly string[],
  log: (level: LogLevel, message: string) => void,
): Promise<PageTransports> {
  const transports: TransportFactory[] = [];
  let hasWebRtc = false;
  try {
    const { webRtcDirectTransport } = await import('./webrtc-direct-transport.ts');
    const { webRtcTransport } = await import('./webrtc-transport.ts');
    const certificate = await pageCertificate(store, log);
    transports.push(webRtcDirectTransport(certificate) as TransportFactory);
    // And to pages that nobody can dial, through a relay.
    transports.push(webRtcTransport(stunServers) as TransportFactory);
    hasWebRtc = true;
  } catch (error) {
    log('warn', `pages on https cannot fetch from this node: WebRTC cannot be loaded here: ${String(error)}`);
  }
  transports.push(boundInbound(webSocketTransport()) as TransportFactory);
  return { transports, hasWebRtc };
}
