import type { Transport, Upgrader } from '@libp2p/interface';
import { overridden } from './overridden.ts';

/**
 * A transport with another upgrader, wherever it is handed one: with its parts, for each dial, and for each listener.
 *
 * @param change what to make of an upgrader
 */
export function withUpgrader<C extends { upgrader: Upgrader }, T extends Transport>(
  make: (components: C) => T,
  change: (upgrader: Upgrader) => Upgrader,
): (components: C) => T {
  const upgrading = <P extends { upgrader: Upgrader }>(parts: P): P =>
    overridden(parts, { upgrader: change(parts.upgrader) } as Partial<P>);
  return (components) => {
    const transport = make(upgrading(components));
    const dial = transport.dial.bind(transport);
    transport.dial = (address, options) => dial(address, upgrading(options));
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => createListener(upgrading(options));
    return transport;
  };
}
