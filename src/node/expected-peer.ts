import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';

/**
 * Whether somebody else answered, or came, than the address names. Noise (`@libp2p/noise`, `@chainsafe/libp2p-noise`)
 * compares keys, and an id that is the hash of a key, as RSA's is, has none to compare with: whoever answers is let pass, as
 * who they are. Over a relay, which names who comes, a connection of WebRTC would then be made in that name
 * (`@libp2p/webrtc`, `signaling-stream-handler.ts`).
 */
export function isAnother(peer: PeerId, dialled: Multiaddr): boolean {
  const named = dialled.getComponents().findLast(({ name }) => name === 'p2p')?.value;
  return named !== undefined && !peerIdFromString(named).equals(peer);
}
