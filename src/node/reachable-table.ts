import type { AbortOptions, Libp2p, PeerId } from '@libp2p/interface';
import type { KadDHT, QueryEvent } from '@libp2p/kad-dht';

/** What this wraps of kad-dht; its type does not tell of it. */
interface Asking {
  readonly network: {
    sendRequest(to: PeerId, message: unknown, options: AbortOptions): AsyncGenerator<QueryEvent>;
  };
  readonly routingTable: { remove(peer: PeerId): Promise<void> };
}

/**
 * Takes a node that cannot be reached out of the DHT's routing table. kad-dht looks after those that are there only where one
 * part of the table is full, which takes hundreds: all that ever came stayed, and a walk begins with the twenty nearest of
 * them. After some weeks these were gone, all of them, and nobody was found, nor told of anything, with others connected. Who
 * connects again is in it again.
 */
export function keepReachable(dht: KadDHT, node: Pick<Libp2p, 'getConnections'>): void {
  const { network, routingTable } = dht as unknown as Asking;
  const ask = network.sendRequest.bind(network);
  network.sendRequest = async function* (to, message, options) {
    for await (const event of ask(to, message, options)) {
      const isUnreachable = event.name === 'QUERY_ERROR' && node.getConnections(to).length === 0;
      if (isUnreachable && !options.signal?.aborted) await routingTable.remove(to).catch(() => {});
      yield event;
    }
  };
}
