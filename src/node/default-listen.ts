import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';

/** Any free port on every IPv4 interface; and on every IPv6 one. */
const IPV4 = '/ip4/0.0.0.0/tcp/0';
const IPV6 = '/ip6/::/tcp/0';

/** An address that reaches no further than the cable. */
const LINK_LOCAL = /^fe[89ab]/i;

/**
 * Where a node listens that was told of no place: over IPv4, and where the machine has IPv6 alone, over that too. Its links
 * would lead nowhere otherwise.
 *
 * @param cards the machine's network cards. Default: as they are now
 */
export function defaultListen(
  cards: NodeJS.Dict<Pick<NetworkInterfaceInfo, 'family' | 'internal' | 'address'>[]> = networkInterfaces(),
): string[] {
  const outside = Object.values(cards).flatMap((card) => card?.filter(({ internal }) => !internal) ?? []);
  const hasIpv4 = outside.some(({ family }) => family === 'IPv4');
  const hasIpv6 = outside.some(({ family, address }) => family === 'IPv6' && !LINK_LOCAL.test(address));
  return hasIpv6 && !hasIpv4 ? [IPV4, IPV6] : [IPV4];
}
