import type { Transport } from '@libp2p/interface';
import { TimeoutError } from '@libp2p/interface';
import { overridden } from './overridden.ts';

/**
 * A transport that gives an address so long to answer, and what follows (encryption, the muxer) the time that the dial
 * has. libp2p has one limit for both: long enough for a handshake with a machine that has much else to do, it would be
 * lost on each address that answers nothing; short enough for these, thirty nodes that start on two cores ended a third
 * of their handshakes, and began them again.
 */
export function connectWithin<C, T extends Transport>(ms: number, make: (components: C) => T) {
  return (components: C): T => {
    const transport = make(components);
    const dial = transport.dial.bind(transport);
    transport.dial = async (address, options) => {
      const silence = new AbortController();
      const timer = setTimeout(() => {
        silence.abort(new TimeoutError(`${address.toString()} did not answer within ${ms / 1000} s`));
      }, ms);
      const upgradeOutbound: typeof options.upgrader.upgradeOutbound = (connection, upgrade) => {
        clearTimeout(timer);
        return options.upgrader.upgradeOutbound(connection, upgrade);
      };
      const upgrader = overridden(options.upgrader, { upgradeOutbound });
      const signal = AbortSignal.any([options.signal, silence.signal]);
      try {
        return await dial(address, overridden(options, { upgrader, signal }));
      } finally {
        clearTimeout(timer);
      }
    };
    return transport;
  };
}
