import { isPeerId } from '@libp2p/interface';
import { ping, type Ping, type PingComponents } from '@libp2p/ping';

/** A connection younger than this has just been seen to work: its handshake took two round trips. */
const FRESH_MS = 60_000;

/**
 * libp2p's ping, which takes a peer whose connection has just been made to be there without asking. The DHT pings each
 * node that it comes to know, the moment it is connected: two streams for each pair of a crowd that forms, and each
 * stream costs a negotiation and several accesses to the peer store.
 */
export function presentPing(): (components: PingComponents) => Ping {
  return (components) => {
    const service = ping()(components);
    const ask = service.ping.bind(service);
    service.ping = async (peer, options) => {
      const since = Date.now() - FRESH_MS;
      const connections = isPeerId(peer) ? components.connectionManager.getConnections(peer) : [];
      const isFresh = connections.some(({ status, timeline }) => status === 'open' && timeline.open > since);
      return isFresh ? 0 : ask(peer, options);
    };
    return service;
  };
}
