import type { Connection, Libp2p } from '@libp2p/interface';
import {
  circuitRelayAddressesLast,
  loopbackAddressLast,
  publicAddressesFirst,
  reliableTransportsFirst,
} from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';

/** TCP's answer takes a round trip: an address that gives none in this time is passed over for the others. */
const SILENT_MS = 1500;

/** What libp2p tells once a connection's transport is there. */
const ANSWERED = 'upgrader:encrypt-outbound-connection';

/** Of these nothing is heard before many round trips: the two ends meet first, or a browser shakes hands. */
const ANSWERS_LATE = /\/(p2p-circuit|webrtc|webrtc-direct|wss|tls)(\/|$)/;

/**
 * Dials a peer's addresses in libp2p's order, one after another, as libp2p itself does; but that waits six seconds for each at which
 * nothing answers, so that whoever tells of three such (a network of containers, a VPN, a public one behind a router) could
 * not be reached at the fourth. Those that were passed over are dialled once more when all others have failed.
 *
 * @param addresses of one peer, at least one
 * @throws why none leads to it, or the abort reason
 */
export async function dialInTurn(
  libp2p: Libp2p,
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

async function dialUnlessSilent(
  libp2p: Libp2p,
  address: Multiaddr,
  signal: AbortSignal,
  onSilent: () => void,
): Promise<Connection> {
  if (ANSWERS_LATE.test(String(address))) return libp2p.dial(address, { signal });
  const passOver = new AbortController();
  const timer = setTimeout(() => {
    onSilent();
    passOver.abort(new DOMException('nothing answers there', 'TimeoutError'));
  }, SILENT_MS);
  try {
    return await libp2p.dial(address, {
      signal: AbortSignal.any([signal, passOver.signal]),
      onProgress: ({ type }) => {
        if (type === ANSWERED) clearTimeout(timer);
      },
    });
  } finally {
    clearTimeout(timer);
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
