import type { Connection, Transport, Upgrader } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { networkOf } from './ip-host.ts';
import { overridden } from './overridden.ts';
import { PendingConnections } from './pending-connections.ts';
import { withUpgrader } from './with-upgrader.ts';

/** Of a node that is full one network may have no more than this part. */
const MOST_OF_NETWORK = 1 / 3;

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
  const origin = originOf(from);
  const own = connections.filter(({ remoteAddr }) => originOf(remoteAddr) === origin);
  return own.length >= maximum * MOST_OF_NETWORK;
}

/** From where it comes: a network; through a relay the relay's. */
export function originOf(address: Multiaddr): string {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value;
  return host === undefined ? address.toString() : networkOf(host);
}
