import type { PeerStore } from '@libp2p/interface';
import { overridden } from './overridden.ts';

/**
 * A peer store for introductions, in which what a peer says of itself goes before all that it has said. libp2p goes by the
 * number in the peer's signed record, which is the time by its clock: where that is set back, as by those of machines
 * that start an hour ahead, the addresses that the peer had before stayed until the clock had caught up. Nobody else speaks on a
 * peer's connection, and nothing comes there out of turn.
 */
export function latestWord(peerStore: PeerStore): PeerStore {
  return overridden(peerStore, {
    get: async (id, options) => {
      const { peerRecordEnvelope: _before, ...peer } = await peerStore.get(id, options);
      return peer;
    },
  });
}
