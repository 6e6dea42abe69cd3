/** What a page loads only when it is of use; this file and what it imports is a chunk of its own (scripts/build.ts). */
import { start, type Transport, type Upgrader } from '@libp2p/interface';
import type {
  AddressManager,
  ConnectionManager,
  Registrar,
  TransportManager,
} from '@libp2p/interface-internal';
import { webSockets } from '@libp2p/websockets';
import { endingWebSockets } from '../node/ending-web-socket.ts';
import { lazyYamux } from '../node/lazy-yamux.ts';
import { promptPush } from '../node/prompt-push.ts';
import { relayListen, relayTransport } from '../node/relay-transport.ts';
import { webRtcTransport } from '../node/webrtc-transport.ts';

/** The parts of a libp2p node that its transports work with. */
export type NodeParts = Parameters<ReturnType<typeof relayTransport>>[0] &
  Parameters<ReturnType<typeof webSockets>>[0] &
  Parameters<ReturnType<typeof promptPush>>[0] & {
    addressManager: AddressManager;
    connectionManager: ConnectionManager;
    registrar: Registrar;
    transportManager: TransportManager;
    upgrader: Upgrader;
  };

/** What {@link addTransports} is to add. */
export interface FurtherTransports {
  /** Undefined: the browser has no WebRTC, and the page meets no other pages. */
  webRtc: { stunServers: readonly string[] } | undefined;
}

/**
 * Adds WebSocket to a node that runs, and where the browser has WebRTC also relays and WebRTC between pages: from then on
 * others can dial this page through the nodes that it is connected to.
 */
export async function addTransports(parts: NodeParts, { webRtc }: FurtherTransports): Promise<void> {
  // Both WebSocket and what comes through a relay are plain pipes.
  const muxer = lazyYamux()();
  parts.upgrader.getStreamMuxers().set(muxer.protocol, muxer);
  await add(parts, 'webSockets', endingWebSockets<NodeParts, Transport>(webSockets())(parts));
  if (!webRtc) return;
  await add(parts, 'relays', relayTransport()(parts));
  await add(parts, 'webRtc', webRtcTransport(webRtc.stunServers)(parts));
  await run(parts, 'push', promptPush()(parts));
  await parts.transportManager.listen(relayListen(true));
}

async function add(parts: NodeParts, name: string, transport: Transport): Promise<void> {
  await run(parts, name, transport);
  parts.transportManager.add(transport);
}

/** As libp2p itself does with what it is made of: it starts it, and stops it with the node. */
async function run(parts: NodeParts, name: string, part: object): Promise<void> {
  Reflect.set(parts, `shoal-${name}`, part);
  await start(part);
}
