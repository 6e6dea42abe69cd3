import type { Connection, Transport, Upgrader } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { networkOf } from './ip-host.ts';
import { overridden } from './overridden.ts';
import { PendingConnections } from './pending-connections.ts';
import { withUpgrader } from './with-upgrader.ts';

/** Of what a node has for all no network may have more than a third once there is little left: a school is one address, but not all. */
export const PARTS = 3;

/**
 * A transport to which no more connections come at a time than {@link PendingConnections} lets. libp2p counts them over all hosts:
 * a hundred sockets on which nothing is said, opened anew every ten seconds by one host, kept everybody else out.
 */
export function boundInbound<C, T extends Transport>(
  make: (components: C) => T,
): (components: C & { upgrader: Upgrader }) => T {
  const pending = new PendingConnections();
  return withUpgrader<C & { upgrader: Upgrader }, T>(make, (upgrader) => {
    const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) => {
      using leave = pending.take(originOf(connection.remoteAddr));
      if (!leave) throw new Error('too many connections are being made from there');
      await upgrader.upgradeInbound(connection, options);
    };
    return overridden(upgrader, { upgradeInbound });
  });
}

/** Whether so many connections are from where another one comes that no room is to be left for others. */
export function isCrowding(connections: readonly Connection[], maximum: number, from: Multiaddr): boolean {
  if (connections.length < maximum) return false;
  const origins = connections.map(({ remoteAddr }) => originOf(remoteAddr));
  return hasItsPart(origins, originOf(from), maximum);
}

/** @param origins from where those come that have some of it */
export function hasItsPart(origins: readonly string[], origin: string, maximum: number): boolean {
  return PARTS * origins.filter((each) => each === origin).length >= maximum;
}

/** From where it comes: a network; through a relay the relay's. */
export function originOf(address: Multiaddr): string {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value;
  return host === undefined ? address.toString() : networkOf(host);
}
