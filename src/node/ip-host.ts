import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isPrivateIp } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

const HOST = /^\/ip[46]\/([^/]+)/;

/** The IP address that a multiaddr begins with; undefined where it has none, or leads through a relay. */
export function hostOf(address: Multiaddr): string | undefined {
  const text = address.toString();
  return text.includes('/p2p-circuit') ? undefined : HOST.exec(text)?.[1];
}

/** Whether the IP address is one of this machine's. */
export function isOwnHost(host: string): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((each) => each?.address === host);
}

/** Whether it is one of the internet's, and not of a local network. */
export function isPublicHost(host: string): boolean {
  return isPrivateIp(host) === false;
}

/** Who counts as one: an IPv4 address; of IPv6 the network that one subscriber gets (/48). */
export function networkOf(host: string): string {
  const [address = '', zone] = host.split('%');
  return isIPv6(address) && zone === undefined
    ? multiaddr(`/ip6/${address}`).bytes.subarray(1, 7).toString()
    : host;
}
