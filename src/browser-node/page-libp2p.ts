import { privateKeyFromProtobuf } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { webRTCDirect } from '@libp2p/webrtc';
import { createLibp2p } from 'libp2p';
import type { LogLevel } from '../api.ts';
import { isAnother } from '../node/expected-peer.ts';
import { patientIdentify } from '../node/patient-identify.ts';
import { RELAY_PROTOCOL } from '../node/relay-protocol.ts';
import { rememberPeers } from '../node/remembered-peers.ts';
import type { ShoalLibp2p } from '../node/shoal-libp2p.ts';
import { closeSpareConnections } from '../node/spare-connections.ts';
import { wholeMessages } from '../node/webrtc-messages.ts';
import { isDirect } from '../swarm/direct-connection.ts';
import { version } from '../version.ts';
import type { NodeParts } from './further-transports.ts';
import { LaterTransports } from './later-transports.ts';
import { announcedByPage, canPageDial, type PageReach } from './page-reach.ts';

/** What {@link createPageLibp2p} is made from. */
export interface PageLibp2pOptions {
  /** libp2p's protobuf form of an Ed25519 private key. */
  identity: Uint8Array;
  reach: PageReach;
  /** `stun:` URLs; none is asked unless the application names it. */
  stunServers: readonly string[];
  /** Peers that lied: not dialled. */
  isBanned: (peer: PeerId) => boolean;
  log: (level: LogLevel, message: string) => void;
}

/**
 * A page has one swarm or two, and a browser some hundred WebRTC connections at most. Beyond this those that carry nothing
 * are closed.
 */
const MAX_CONNECTIONS = 60;

/** At this libp2p refuses whoever comes. */
const MOST_CONNECTIONS = 80;

/** Whoever comes through a relay comes from its address, and libp2p's own limit for one is five a second. */
const INBOUND_PER_SECOND = 100;

/**
 * Makes the libp2p node of a page, not yet started. It dials nodes over webrtc-direct, and over WebSocket; where one of
 * them relays, other pages and nodes can dial this page through it, over WebRTC.
 */
export async function createPageLibp2p(options: PageLibp2pOptions): Promise<ShoalLibp2p> {
  const { reach } = options;
  let later: LaterTransports | undefined;
  const webRtc = reach.hasWebRtc ? { stunServers: options.stunServers } : undefined;
  const node = await createLibp2p({
    start: false,
    privateKey: privateKeyFromProtobuf(options.identity),
    nodeInfo: { name: 'shoal', version, userAgent: `shoal/${version} (page)` },
    addresses: {
      listen: [],
      announceFilter: (addresses) => announcedByPage(addresses, reach),
    },
    transports: [
      // No STUN server: the node's address is known, and nothing is asked of anybody's servers.
      ...(reach.hasWebRtc ? [wholeMessages(webRTCDirect({ rtcConfiguration: { iceServers: [] } }))] : []),
      (parts: NodeParts) => (later = new LaterTransports(parts, { webRtc })),
    ],
    connectionEncrypters: [noise()],
    connectionManager: {
      maxConnections: MOST_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_PER_SECOND,
      maxIncomingPendingConnections: MAX_CONNECTIONS,
    },
    // A saturated uplink delays pings by as much as its queue; the swarm's own liveness check knows about that.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: (peer) => options.isBanned(peer),
      // Who comes through a relay comes under the name that the relay gives.
      denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
        options.isBanned(peer) || isAnother(peer, remoteAddr),
      denyOutboundEncryptedConnection: (peer, { remoteAddr }) =>
        options.isBanned(peer) || isAnother(peer, remoteAddr),
      // libp2p's gater for browsers refuses private addresses and plain WebSocket: nodes on the local network.
      denyDialMultiaddr: (address) => !canPageDial(address.toString(), reach),
    },
    // What leads to a direct connection needs no introduction, and each of its messages takes the detour over the relay.
    services: { identify: patientIdentify({ isFor: isDirect }) },
  });
  rememberPeers(node);
  closeSpareConnections(node, MAX_CONNECTIONS);
  node.addEventListener('peer:identify', ({ detail: { protocols } }) => {
    if (!webRtc || !protocols.includes(RELAY_PROTOCOL)) return;
    void later?.keepLoading((error) => {
      options.log('warn', `other pages cannot be met yet: ${String(error)}`);
    });
  });
  return node as unknown as ShoalLibp2p;
}
