import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';

/**
 * Whether somebody else answered than the address names. Noise (`@libp2p/noise`, `@chainsafe/libp2p-noise`) compares keys, and an id
 * that is the hash of a key, as RSA's is, has none to compare with: whoever answers is let pass, as who they are.
 */
export function isAnother(peer: PeerId, dialled: Multiaddr): boolean {
  const named = dialled.getComponents().findLast(({ name }) => name === 'p2p')?.value;
  return named !== undefined && !peerIdFromString(named).equals(peer);
}
