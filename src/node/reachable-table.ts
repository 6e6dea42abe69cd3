import type { AbortOptions, Libp2p, PeerId } from '@libp2p/interface';
import type { KadDHT, QueryEvent } from '@libp2p/kad-dht';
import { multiaddr } from '@multiformats/multiaddr';
import { boundedAddresses } from '../swarm/core/contact-table.ts';
import { dialInTurn } from '../swarm/dial-in-turn.ts';
import { widestFirst } from '../swarm/widest-first.ts';

/** A node that cannot be reached in this time is passed over: three addresses at which nothing answers, and a handshake. */
const REACH_MS = 8000;

type Ask = (to: PeerId, message: unknown, options: AbortOptions) => AsyncGenerator<QueryEvent>;

/** What this wraps of kad-dht; its type does not tell of it. */
interface Asking {
  readonly network: { sendRequest: Ask; sendMessage: Ask };
  readonly routingTable: { remove(peer: PeerId): Promise<void> };
}

/**
 * Takes a node that cannot be reached out of the DHT's routing table. kad-dht looks after those that are there only where one
 * part of the table is full, which takes hundreds: all that ever came stayed, and a walk begins with the twenty nearest of
 * them. After some weeks these were gone, all of them, and nobody was found, nor told of anything, with others connected. Who
 * connects again is in it again.
 *
 * And dials nodes by all their addresses: kad-dht gives a dial five seconds, and libp2p each address six, so that who told of
 * one at which nothing answers (a VPN, containers) before the right one was never reached.
 */
export function keepReachable(
  dht: KadDHT,
  node: Pick<Libp2p, 'getConnections' | 'dial'> & { readonly peerStore: Pick<Libp2p['peerStore'], 'get'> },
): void {
  const { network, routingTable } = dht as unknown as Asking;
  const isThere = (peer: PeerId): boolean => node.getConnections(peer).length > 0;
  /** @returns whether there is no way to it; where there is one address at most that shows when it is asked */
  const isLost = async (peer: PeerId, { signal }: AbortOptions): Promise<boolean> => {
    if (isThere(peer)) return false;
    const { addresses } = await node.peerStore.get(peer).catch(() => ({ addresses: [] }));
    if (addresses.length < 2) return false;
    // Of many, as whoever lies names, the first: each is knocked at.
    const first = boundedAddresses(widestFirst(addresses.map(({ multiaddr: each }) => each.toString())));
    const named = first.map((address) => multiaddr(address).encapsulate(`/p2p/${peer.toString()}`));
    const limits = [AbortSignal.timeout(REACH_MS), ...(signal ? [signal] : [])];
    return dialInTurn(node, named, AbortSignal.any(limits)).then(
      () => false,
      () => true,
    );
  };
  const reaching = (ask: Ask): Ask =>
    async function* (to, message, options) {
      const gone = (await isLost(to, options)) ? AbortSignal.abort() : undefined;
      for await (const event of ask(to, message, gone ? { ...options, signal: gone } : options)) {
        const isUnreachable = event.name === 'QUERY_ERROR' && !isThere(to);
        if (isUnreachable && !options.signal?.aborted) await routingTable.remove(to).catch(() => {});
        yield event;
      }
    };
  network.sendRequest = reaching(network.sendRequest.bind(network));
  network.sendMessage = reaching(network.sendMessage.bind(network));
}
