import type { AbortOptions, PeerId, PeerStore } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import type { CID } from 'multiformats/cid';
import { overridden } from './overridden.ts';

/**
 * Providers that are named: those who announced last, as many as a walk looks for, and some of the others, by chance. The last
 * may all be gone again, as those who fetched something small are, and who has been there for long announces seldom.
 */
const NEWEST = 20;
export const MOST_PROVIDERS = 100;

/** What this wraps of kad-dht; its type does not tell of it. */
interface Providing {
  readonly providers: { getProviders(cid: CID, options?: AbortOptions): Promise<PeerId[]> };
}

/** What this wraps of kad-dht for what it asks itself. */
interface Finding {
  readonly contentRouting: { routingTable: { readonly kBucketSize: number } };
}

/**
 * Has a search for providers ask all on its way. kad-dht's ends with the twentieth that it is told of, whoever told: one node of
 * the DHT that answered with twenty made-up ones, whatever it was asked, hid everybody's providers from all.
 */
export function askAllForProviders(dht: KadDHT): void {
  const { contentRouting } = dht as unknown as Finding;
  contentRouting.routingTable = overridden(contentRouting.routingTable, { kBucketSize: Infinity });
}

/**
 * Has a node of the DHT tell of those providers only whose addresses it knows, who announced last first. kad-dht keeps an
 * announcement for two days and looks the peer up when it is asked: where one of them was not known any more (it left hours
 * ago, or had to make room) it reset the stream, and nobody was told of the others either. And what it looks for itself it
 * finds in its own records first, and asks nobody where they name twenty, be they the longest gone. Of many it names some: it
 * looked up and told of all of them for each question, which took a third of a second where two thousand had announced.
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
    const left = await all(cid, options);
    while (left.length > 0 && known.length < MOST_PROVIDERS) {
      const at = known.length < NEWEST ? left.length - 1 : Math.floor(Math.random() * left.length);
      const peer = left[at] as PeerId;
      left[at] = left.at(-1) as PeerId;
      left.pop();
      if (await isKnown(peer, options)) known.push(peer);
    }
    return known;
  };
}
