import { privateKeyFromProtobuf } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { PeerId } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { webRTCDirect } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { createLibp2p } from 'libp2p';
import { lazyYamux } from '../node/lazy-yamux.ts';
import type { ShoalLibp2p } from '../node/shoal-libp2p.ts';
import { version } from '../version.ts';
import { canPageDial, type PageReach } from './page-reach.ts';

/** What {@link createPageLibp2p} is made from. */
export interface PageLibp2pOptions {
  /** libp2p's protobuf form of an Ed25519 private key. */
  identity: Uint8Array;
  reach: PageReach;
  /** Peers that lied: not dialled. */
  isBanned: (peer: PeerId) => boolean;
}

/** A page has one swarm or two, and a browser some hundred WebRTC connections at most. */
const MAX_CONNECTIONS = 60;

/** Makes the libp2p node of a page, not yet started: dials webrtc-direct and WebSocket, and listens nowhere. */
export async function createPageLibp2p(options: PageLibp2pOptions): Promise<ShoalLibp2p> {
  const { reach } = options;
  const node = await createLibp2p({
    start: false,
    privateKey: privateKeyFromProtobuf(options.identity),
    nodeInfo: { name: 'shoal', version, userAgent: `shoal/${version} (page)` },
    addresses: { listen: [] },
    transports: [
      // No STUN server: the node's address is known, and nothing is asked of anybody's servers.
      ...(reach.hasWebRtc ? [webRTCDirect({ rtcConfiguration: { iceServers: [] } })] : []),
      webSockets(),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [lazyYamux()],
    connectionManager: { maxConnections: MAX_CONNECTIONS },
    // A saturated uplink delays pings by as much as its queue; the swarm's own liveness check knows about that.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: (peer) => options.isBanned(peer),
      denyInboundEncryptedConnection: (peer) => options.isBanned(peer),
      // libp2p's gater for browsers refuses private addresses and plain WebSocket: nodes on the local network.
      denyDialMultiaddr: (address) => !canPageDial(address.toString(), reach),
    },
    services: { identify: identify() },
  });
  return node as unknown as ShoalLibp2p;
}
