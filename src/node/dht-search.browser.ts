import type { DhtSearch as OfNodes } from './dht-search.ts';

/** Pages are in no DHT: none of these is ever made. */
export const DhtSearch = (() => undefined) as unknown as typeof OfNodes;
