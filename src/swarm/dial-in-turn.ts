import type { Connection, Libp2p } from '@libp2p/interface';
import {
  circuitRelayAddressesLast,
  loopbackAddressLast,
  publicAddressesFirst,
  reliableTransportsFirst,
} from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { dialUnlessSilent } from './dial-unless-silent.ts';

/**
 * Dials a peer's addresses in libp2p's order, one after another, as libp2p itself does; but that waits six seconds for each at which
 * nothing answers, so that whoever tells of three such (a network of containers, a VPN, a public one behind a router) could
 * not be reached at the fourth. Those that were passed over are dialled once more when all others have failed.
 *
 * @param addresses of one peer, at least one
 * @throws why none leads to it, or the abort reason
 */
export async function dialInTurn(
  libp2p: Pick<Libp2p, 'dial'>,
  addresses: readonly Multiaddr[],
  signal: AbortSignal,
): Promise<Connection> {
  const all = [...addresses].sort(byPreference);
  const last = all.pop() as Multiaddr;
  const silent: Multiaddr[] = [];
  for (const address of all) {
    try {
      return await dialUnlessSilent(libp2p, address, signal, () => silent.push(address));
    } catch {
      signal.throwIfAborted();
    }
  }
  if (silent.length === 0) return libp2p.dial(last, { signal });
  try {
    return await libp2p.dial(last, { signal });
  } catch {
    signal.throwIfAborted();
    return libp2p.dial(silent, { signal });
  }
}

/** libp2p's own order, which it keeps to where it gets a list. */
function byPreference(a: Multiaddr, b: Multiaddr): number {
  return (
    loopbackAddressLast(a, b) ||
    publicAddressesFirst(a, b) ||
    circuitRelayAddressesLast(a, b) ||
    reliableTransportsFirst(a, b)
  );
}
