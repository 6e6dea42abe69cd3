import type { Multiaddr } from '@multiformats/multiaddr';

/** Transports that pages can dial. */
const FOR_PAGES = /\/(ws|wss|webrtc-direct)(\/|$)/;

/** Through a relay; what is before it is the relay's. */
const RELAYED = /^(.*)\/p2p-circuit(\/webrtc)?(?=\/|$)/;

/** How addresses of hosts and peers begin. libp2p's TCP would open a socket of this machine's own programs, too (`/unix/…`). */
const NETWORK = /^\/(ip[46]|ip6zone|dns[46]?|dnsaddr|p2p)\//;

/** Whether an address is one on a network: whatever peers tell, nothing else is dialled. */
export function isOfNetwork(address: string): boolean {
  return NETWORK.test(address);
}

/**
 * Whether an address leads to where one of these does, whatever peer it names. Through a relay the peer is the place: of
 * those none does.
 */
export function isPlaceAmong(addresses: readonly Multiaddr[], address: Multiaddr): boolean {
  const place = placeOf(address);
  return !RELAYED.test(place) && addresses.some((each) => placeOf(each) === place);
}

function placeOf(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '');
}

/** Whether a node can dial an address. @param forPages it has the transports that pages use too */
export function canNodeDial(address: string, forPages: { hasWebRtc: boolean } | undefined): boolean {
  if (!isOfNetwork(address)) return false;
  const [, relay, webRtc] = RELAYED.exec(address) ?? [];
  if (webRtc !== undefined && !forPages?.hasWebRtc) return false;
  if (relay !== undefined) return canNodeDial(relay, forPages);
  if (address.includes('/webrtc-direct')) return forPages?.hasWebRtc ?? false;
  return forPages !== undefined || !isForPages(address);
}

/** A relay has a handful of addresses; what is told of each, of each kind, stays small enough for identify (8 KiB). */
const MAX_ADDRESSES_PER_RELAY = 3;

/** Whether an address is one of the first few of its relay, called once for each. @param relay with `/p2p/…` at its end */
export function firstOfRelay(): (relay: string, kind?: string) => boolean {
  const counts = new Map<string, number>();
  return (relay, kind = '') => {
    const key = `${relay.slice(relay.lastIndexOf('/'))} ${kind}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= MAX_ADDRESSES_PER_RELAY;
  };
}

/**
 * Of a node's addresses those that it tells of: through a relay a few, over WebRTC where the relay's own address is one for
 * pages, and else plain.
 *
 * @param isForwarded a NAT's address leads to this node: only pages need relays to find it
 */
export function announced(addresses: readonly Multiaddr[], isForwarded = false): Multiaddr[] {
  const isFirst = firstOfRelay();
  return addresses.filter((address) => {
    const [, relay, webRtc] = RELAYED.exec(address.toString()) ?? [];
    if (relay === undefined) return true;
    if (isForPages(relay) !== (webRtc !== undefined)) return false;
    if (isForwarded && webRtc === undefined) return false;
    return isFirst(relay, webRtc);
  });
}

const TCP_HOST = /^(\/ip[46]\/[^/]+)\/tcp\/\d+$/;

/** Whether pages can use the address: it is one of WebSocket or webrtc-direct. */
export function isForPages(address: string): boolean {
  return FOR_PAGES.test(address);
}

/** Beside each host that is listened to over TCP, free ports for pages: webrtc-direct and WebSocket. */
export function withPageAddresses(listen: readonly string[]): string[] {
  const hosts = new Set(listen.map((address) => TCP_HOST.exec(address)?.[1]));
  hosts.delete(undefined);
  const forPages = [...hosts].flatMap((host) => [`${host}/udp/0/webrtc-direct`, `${host}/tcp/0/ws`]);
  return [...new Set([...listen, ...forPages])];
}

/** Those that every node can dial first: a link is tried in order. */
export function byReach(addresses: readonly string[]): string[] {
  return [
    ...addresses.filter((address) => !isForPages(address)),
    ...addresses.filter((address) => isForPages(address)),
  ];
}
