import { noise } from '@chainsafe/libp2p-noise';
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys';
import type { Libp2p, PeerId, PeerInfo } from '@libp2p/interface';
import { kadDHT } from '@libp2p/kad-dht';
import { tcp } from '@libp2p/tcp';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { ShoalError } from '../errors.ts';
import { version } from '../version.ts';
import { lazyYamux } from './lazy-yamux.ts';
import { nativeTls } from './native-tls.ts';
import { promptPush } from './prompt-push.ts';
import { patientIdentify } from './patient-identify.ts';
import { presentPing } from './present-ping.ts';
import type { LogLevel, RelayBounds } from '../api.ts';
import { autonatServer } from './autonat-server.ts';
import { BoundedDatastore } from './bounded-datastore.ts';
import { takeInTurns } from './dht-turns.ts';
import { isAnother } from './expected-peer.ts';
import { holePunching } from './hole-punching.ts';
import { boundInbound, isCrowding } from './inbound-bounds.ts';
import { announced, isOfNetwork, isPlaceAmong } from './listen-addresses.ts';
import { askAllForProviders, tellKnownProviders } from './known-providers.ts';
import { localDiscovery } from './local-discovery.ts';
import { keepReachable } from './reachable-table.ts';
import { reachability } from './reachability.ts';
import { relayService } from './relay-service.ts';
import { relayTransport } from './relay-transport.ts';
import { rememberPeers } from './remembered-peers.ts';
import type { TransportFactory } from './page-transports.ts';
import { dhtProtocol, parseMultiaddr, type ShoalLibp2p } from './shoal-libp2p.ts';
import { closeSpareConnections } from './spare-connections.ts';

/** What {@link createLibp2pNode} is made from. */
export interface Libp2pNodeOptions {
  /** libp2p's protobuf form of an Ed25519 private key. */
  identity: Uint8Array;
  listen: readonly string[];
  /** Besides TCP. */
  transports?: readonly TransportFactory[];
  /** Whether one of them is WebRTC, as pages use it. */
  hasWebRtc?: boolean;
  log?: (level: LogLevel, message: string) => void;
  /** Undefined: nobody is relayed for. */
  relay?: RelayBounds | undefined;
  network: string;
  mdns: boolean;
  dht: boolean;
  /** Peers that lied: neither dialled nor let in. */
  isBanned: (peer: PeerId) => boolean;
  /** A node of this network was heard on the local network. Told apart from what the DHT discovers. */
  onLocalPeer: (peer: PeerInfo) => void;
}

/**
 * Connections are kept for the swarm (2 × degree 30, 3 at most), the DHT's neighbours and named peers. Beyond this those
 * that carry nothing are closed, so that there is room for who comes.
 */
const MAX_CONNECTIONS = 300;

/** At this libp2p refuses whoever comes: a third above, for a crowd that arrives before the oldest are closed. */
const MOST_CONNECTIONS = 400;

/**
 * New connections a second from one address. libp2p's default of 5 lost 7 of 12 parallel dials from one host;
 * a whole office behind one NAT, or a test machine, needs more.
 */
const INBOUND_PER_SECOND = 100;

/**
 * A node looks for its own neighbours in the DHT so long after its start; what it is asked to find meanwhile it finds
 * from the node it knows. libp2p's own second falls into the time in which a crowd forms.
 */
const FIRST_SELF_QUERY_MS = 20_000;

/**
 * Addresses of peers that are not connected are told, and dialled, for so long: three times as long as it takes until whoever
 * has announced something in the DHT announces it again. With libp2p's own hour nobody was told of it for the other three.
 */
const MAX_ADDRESS_AGE_MS = 12 * 3_600_000;

/**
 * Makes a libp2p node, not yet started: TCP, TLS first and Noise second (twice as fast between Node peers,
 * see docs/protocol.md), yamux, identify, ping, and where asked the network's own DHT and mDNS. The DHT is a
 * server with private addresses allowed: outside the public IPFS network kad-dht would otherwise stay a client
 * and drop every local address.
 *
 * @throws ERR_INVALID_MULTIADDR
 */
export async function createLibp2pNode(options: Libp2pNodeOptions): Promise<ShoalLibp2p> {
  const services: Record<string, unknown> = {
    identify: patientIdentify(),
    push: promptPush(),
    ping: presentPing(),
  };
  if (options.dht) {
    services['dht'] = kadDHT({
      protocol: dhtProtocol(options.network),
      clientMode: false,
      peerInfoMapper: (peer) => peer,
      allowQueryWithZeroPeers: true,
      initialQuerySelfInterval: FIRST_SELF_QUERY_MS,
    });
  }
  const forwarded = new Set<string>();
  services['dcutr'] = holePunching();
  services['autonat'] = autonatServer();
  services['reachability'] = reachability({
    isListening: options.listen.length > 0,
    hasWebRtc: options.hasWebRtc ?? false,
    network: options.network,
    forwarded,
    log: options.log ?? (() => {}),
  });
  if (options.relay) services['relay'] = relayService(options.relay);
  const datastore = new BoundedDatastore();
  // Looking them up takes a millisecond, and each dial asks.
  let own: Multiaddr[] | undefined;
  const node: Libp2p = await createLibp2p({
    start: false,
    privateKey: privateKeyFromProtobuf(options.identity),
    datastore,
    peerStore: { maxAddressAge: MAX_ADDRESS_AGE_MS },
    nodeInfo: { name: 'shoal', version, userAgent: `shoal/${version}` },
    addresses: {
      listen: options.listen.map((address) => parseMultiaddr(address).toString()),
      announceFilter: (addresses) => announced(addresses, forwarded.size > 0),
    },
    transports: [
      boundInbound(tcp()),
      relayTransport(),
      ...((options.transports ?? []) as unknown as ReturnType<typeof tcp>[]),
    ],
    connectionEncrypters: [nativeTls(), noise()],
    streamMuxers: [lazyYamux()],
    peerDiscovery: options.mdns ? [localDiscovery(options.network, options.onLocalPeer)] : [],
    connectionManager: {
      maxConnections: MOST_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_PER_SECOND,
      // Each transport has bounds of its own, by host.
      maxIncomingPendingConnections: Infinity,
    },
    // A saturated uplink delays pings by as much as its queue; the swarm's own liveness check knows about that.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyInboundConnection: ({ remoteAddr }) =>
        isCrowding(node.getConnections(), MAX_CONNECTIONS, remoteAddr),
      denyDialPeer: (peer) => options.isBanned(peer),
      // Who comes through a relay comes under the name that the relay gives.
      denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
        options.isBanned(peer) || isAnother(peer, remoteAddr),
      denyOutboundEncryptedConnection: (peer, { remoteAddr }) =>
        options.isBanned(peer) || isAnother(peer, remoteAddr),
      // The default gater of some builds refuses private addresses; a local network is what Shoal is often for. At an
      // address of this node itself (127.0.0.1 of somebody elsewhere, with the same port) nobody else answers, and a
      // handshake with itself costs the work of two.
      denyDialMultiaddr: (address): boolean =>
        !isOfNetwork(address.toString()) || isPlaceAmong((own ??= node.getMultiaddrs()), address),
    },
    services: services as never,
  });
  node.addEventListener('self:peer:update', () => (own = undefined));
  rememberPeers(node);
  const { dht } = (node as unknown as ShoalLibp2p).services;
  if (dht) {
    tellKnownProviders(dht, node.peerStore);
    askAllForProviders(dht);
    keepReachable(dht, node);
    takeInTurns(dht);
  }
  closeSpareConnections(node, MAX_CONNECTIONS);
  datastore.hold(node.peerId.toCID().toString());
  node.addEventListener('peer:connect', ({ detail }) => datastore.hold(detail.toCID().toString()));
  node.addEventListener('peer:disconnect', ({ detail }) => datastore.release(detail.toCID().toString()));
  return node as unknown as ShoalLibp2p;
}

/** Starts a node. @throws ERR_ADDRESS_IN_USE, ERR_LISTEN */
export async function startLibp2pNode(node: ShoalLibp2p, listen: readonly string[]): Promise<void> {
  try {
    await node.start();
  } catch (cause) {
    const text = String(cause);
    if (text.includes('EADDRINUSE')) {
      throw new ShoalError(
        'ERR_ADDRESS_IN_USE',
        `another program already listens on ${listen.join(' or ')}; choose another port, or 0 for any free one`,
        { cause },
      );
    }
    throw new ShoalError('ERR_LISTEN', `cannot listen on ${listen.join(', ')}: ${firstReason(text)}`, {
      cause,
    });
  }
}

function firstReason(text: string): string {
  const elsewhere = /EADDRNOTAVAIL: address not available (\S+)/.exec(text)?.[1];
  if (elsewhere !== undefined)
    return `${elsewhere} is not of this machine; name an address that is, or all of them: /ip4/0.0.0.0/tcp/4001`;
  // Of webrtc-direct; its native code says no more.
  if (text.includes('Failed to register ICE UDP'))
    return 'the UDP port is taken, or the address is not of this machine; choose another port, or 0 for any free one';
  if (text.startsWith('UnsupportedListenAddressesError') && !/\bE[A-Z]{3,}/.test(text))
    return 'this node listens over none of that; write it like /ip4/0.0.0.0/tcp/4001';
  return /\b(E[A-Z]{3,}[^\n]*)/.exec(text)?.[1] ?? text.split('\n', 1)[0] ?? text;
}
