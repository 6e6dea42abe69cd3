/** Transports that pages can dial. */
const FOR_PAGES = /\/(ws|wss|webrtc-direct)(\/|$)/;

/** Through a relay; what is before it is the relay's. */
const RELAYED = /^(.*)\/p2p-circuit(\/webrtc)?(?=\/|$)/;

/** Whether a node can dial an address. @param forPages it has the transports that pages use too */
export function canNodeDial(address: string, forPages: { hasWebRtc: boolean } | undefined): boolean {
  const [, relay, webRtc] = RELAYED.exec(address) ?? [];
  if (webRtc !== undefined && !forPages?.hasWebRtc) return false;
  if (relay !== undefined) return canNodeDial(relay, forPages);
  if (address.includes('/webrtc-direct')) return forPages?.hasWebRtc ?? false;
  return forPages !== undefined || !isForPages(address);
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
