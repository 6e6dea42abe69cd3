import type { AbortOptions, PeerId, PeerStore } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import type { CID } from 'multiformats/cid';

/** What this wraps of kad-dht; its type does not tell of it. */
interface Providing {
  readonly providers: { getProviders(cid: CID, options?: AbortOptions): Promise<PeerId[]> };
}

/**
 * Has a node of the DHT tell of those providers only whose addresses it knows, who announced last first. kad-dht keeps an
 * announcement for two days and looks the peer up when it is asked: where one of them was not known any more (it left hours
 * ago, or had to make room) it reset the stream, and nobody was told of the others either. And what it looks for itself it
 * finds in its own records first, and asks nobody where they name twenty, be they the longest gone.
 */
export function tellKnownProviders(dht: KadDHT, peerStore: Pick<PeerStore, 'get'>): void {
  const { providers } = dht as unknown as Providing;
  const all = providers.getProviders.bind(providers);
  const isKnown = async (peer: PeerId, options?: AbortOptions): Promise<boolean> => {
    try {
      return (await peerStore.get(peer, options)).addresses.length > 0;
    } catch {
      return false;
    }
  };
  providers.getProviders = async (cid, options) => {
    const known: PeerId[] = [];
    // The one kept last comes last.
    for (const peer of (await all(cid, options)).reverse())
      if (await isKnown(peer, options)) known.push(peer);
    return known;
  };
}
