import type { Connection, Libp2p } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

/** TCP's answer takes a round trip: an address that gives none in this time is passed over for the others. */
const SILENT_MS = 1500;

/** What libp2p tells once a connection's transport is there. */
const ANSWERED = 'upgrader:encrypt-outbound-connection';

/** Of these nothing is heard before many round trips: the two ends meet first, or a browser shakes hands. */
const ANSWERS_LATE = /\/(p2p-circuit|webrtc|webrtc-direct|wss|tls)(\/|$)/;

/**
 * Dials an address, but not for long where nothing answers: a link names the addresses of its node in several networks, and
 * whoever is in none of them waited for each. Where an answer has come the address has its whole time.
 *
 * @param onSilent called where the address is passed over; undefined: it is waited for
 * @throws why it does not lead to the peer, or the abort reason
 */
export async function dialUnlessSilent(
  libp2p: Pick<Libp2p, 'dial'>,
  address: Multiaddr,
  signal: AbortSignal,
  onSilent: (() => void) | undefined,
): Promise<Connection> {
  if (!onSilent || ANSWERS_LATE.test(String(address))) return libp2p.dial(address, { signal });
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
