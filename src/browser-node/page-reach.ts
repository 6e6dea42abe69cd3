import type { Multiaddr } from '@multiformats/multiaddr';
import { ShoalError } from '../errors.ts';
import { firstOfRelay, isForPages } from '../node/listen-addresses.ts';

/** What decides whom a page can reach. */
export interface PageReach {
  hasWebRtc: boolean;
  /** Whether the page came over https: then only encrypted WebSockets open, but for this machine's own. */
  isHttps: boolean;
}

/** This machine, which browsers trust over plain http too (W3C Secure Contexts, 3.1). */
const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/;

/** The reach of the page that this runs in. */
export function reachOfPage(): PageReach {
  return {
    hasWebRtc: typeof RTCPeerConnection === 'function',
    isHttps: globalThis.location?.protocol === 'https:',
  };
}

/** WebRTC through a relay, and the relay's own address. */
const THROUGH_RELAY = /^(.+)\/p2p-circuit\/webrtc(\/p2p\/[^/]+)?$/;

/**
 * Whether a page can dial an address: webrtc-direct, encrypted WebSocket, plain WebSocket where browsers let it, and WebRTC
 * through a relay that it can dial.
 */
export function canPageDial(address: string, reach: PageReach): boolean {
  const [, relay] = THROUGH_RELAY.exec(address) ?? [];
  if (relay !== undefined) return reach.hasWebRtc && canPageDial(relay, reach);
  if (!isForPages(address) || address.includes('/p2p-circuit')) return false;
  if (address.includes('/webrtc-direct')) return reach.hasWebRtc && address.includes('/certhash/');
  if (/\/(wss|tls\/ws)(\/|$)/.test(address)) return true;
  return !reach.isHttps || LOOPBACK.test(address);
}

/**
 * A peer's addresses in the order in which a page dials them: as they come, but of those of this machine WebSocket first.
 * WebRTC in Firefox sends nothing to loopback, and says so only after five seconds; where both are there, one is as fast as
 * the other.
 */
export function inPageOrder(addresses: readonly Multiaddr[], { isHttps }: PageReach): Multiaddr[] {
  // Not every browser lets a page of https open a plain one.
  if (isHttps) return [...addresses];
  const isLocal = (address: Multiaddr): boolean => LOOPBACK.test(address.toString());
  const isWebRtc = (address: Multiaddr): number => Number(address.toString().includes('/webrtc-direct'));
  const local = addresses.filter(isLocal).sort((a, b) => isWebRtc(a) - isWebRtc(b));
  return addresses.map((address) => (isLocal(address) ? (local.shift() as Multiaddr) : address));
}

/** Of the addresses of a page those that it tells of: WebRTC through relays, where other pages can dial the relay. */
export function announcedByPage(addresses: readonly Multiaddr[], reach: PageReach): Multiaddr[] {
  const isFirst = firstOfRelay();
  return addresses.filter((address) => {
    const text = address.toString();
    const [, relay] = THROUGH_RELAY.exec(text) ?? [];
    return relay !== undefined && canPageDial(text, reach) && isFirst(relay);
  });
}

/** Why a page can reach nobody, and what would help. @param addresses those of the link */
export function noBrowserAddress(
  root: string,
  addresses: readonly string[],
  { hasWebRtc, isHttps }: PageReach,
): ShoalError {
  const needs = 'a page needs one of webrtc-direct, which "shoal share" and "shoal seed" add to their links';
  let why = `the link names no address that a page can dial (of ${addresses.length}); ${needs}`;
  if (addresses.length === 0) {
    why = `${root} was given without an address, and a page finds nobody by itself: open a link, or name a node in \`peers\`; ${needs}`;
  } else if (!hasWebRtc && addresses.some((address) => address.includes('/webrtc-direct'))) {
    why = `this browser has no WebRTC, or it is switched off, and the link names no other address for pages; switch it on, or use another browser`;
  } else if (isHttps && addresses.some(isForPages)) {
    why = `the link names only plain WebSocket addresses, which browsers do not open from a page on https; ${needs}`;
  }
  return new ShoalError('ERR_NO_BROWSER_ADDRESS', why, { fault: 'none' });
}
