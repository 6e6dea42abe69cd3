import { networkInterfaces } from 'node:os';
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface';
import type { AddressManager, TransportManager } from '@libp2p/interface-internal';
import type { Multiaddr } from '@multiformats/multiaddr';
import { isDirect } from '../swarm/direct-connection.ts';
import type { LogLevel } from '../api.ts';
import { relayListen } from './relay-transport.ts';

/** The parts of a libp2p node that this works with. */
interface Components {
  events: TypedEventTarget<Libp2pEvents>;
  addressManager: AddressManager;
  transportManager: TransportManager;
}

/** What {@link reachability} is made from. */
export interface ReachabilityOptions {
  /** The node listens: whoever does not is not to be found either. */
  isListening: boolean;
  /** It can be dialled over WebRTC, too. */
  hasWebRtc: boolean;
  log: (level: LogLevel, message: string) => void;
}

/** Years: nobody comes to confirm it again. */
const CONFIRMED_MS = 10 * 365 * 24 * 3_600_000;

const HOST = /^\/ip[46]\/([^/]+)/;

/**
 * Under which addresses a node is known. A libp2p service.
 *
 * An address of a network card of its own is one of its addresses, also a public one: libp2p itself tells nobody of those
 * until peers of four different networks have dialled back (AutoNAT), which a small network never has. Where a peer that
 * was dialled has seen the node come from another address, there is a NAT between: then the node reserves on relays among
 * those it is connected to, and can be found through them.
 */
export function reachability(options: ReachabilityOptions): (components: Components) => object {
  return (components) => {
    const { events, addressManager, transportManager } = components;
    let isReserving = false;
    events.addEventListener('transport:listening', ({ detail: listener }) => {
      for (const address of listener.getAddrs()) {
        if (isOwn(address))
          addressManager.confirmObservedAddr(address, { type: 'transport', ttl: CONFIRMED_MS });
      }
    });
    events.addEventListener('peer:identify', ({ detail: { connection, observedAddr } }) => {
      if (isReserving || !options.isListening || !observedAddr) return;
      if (!isDirect(connection) || connection.direction !== 'outbound' || !HOST.test(observedAddr.toString()))
        return;
      if (isOwn(observedAddr)) return;
      isReserving = true;
      options.log(
        'info',
        `this node is behind a NAT: ${connection.remoteAddr.toString()} sees it as ${observedAddr.toString()}`,
      );
      transportManager.listen(relayListen(options.hasWebRtc)).catch((error: unknown) => {
        options.log('warn', `no relay can be used: ${String(error)}`);
      });
    });
    return {};
  };
}

/** Whether the host is one of this machine's. */
function isOwn(address: Multiaddr): boolean {
  const [, host] = HOST.exec(address.toString()) ?? [];
  if (host === undefined || address.toString().includes('/p2p-circuit')) return false;
  return Object.values(networkInterfaces())
    .flat()
    .some((each) => each?.address === host);
}
