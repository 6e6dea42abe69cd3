import { dcutr, type DCUtRServiceComponents } from '@libp2p/dcutr';
import type { Registrar } from '@libp2p/interface-internal';
import { Allowance } from '../swarm/core/allowance.ts';
import { isDirect } from '../swarm/direct-connection.ts';
import { overridden } from './overridden.ts';

/**
 * Peers for which dials are made at the same moment at once, and those a second: of each up to twenty-five addresses of its choosing,
 * and whoever comes through a relay may ask again. A crowd of pages and nodes behind NATs comes at once; the others stay relayed.
 */
const BURST = 60;
const PER_SEC = 1;

/**
 * DCUtR: two peers that are connected through a relay dial each other at the same moment. For those alone: whoever is connected
 * directly needs no other connection, and the stock one dials twenty-five addresses of the internet for anybody who names them, as
 * often as they are named.
 */
export function holePunching(
  nowMs = (): number => performance.now(),
): (components: DCUtRServiceComponents) => unknown {
  const make = dcutr();
  return (components) => make(overridden(components, { registrar: rationed(components.registrar, nowMs) }));
}

function rationed(registrar: Registrar, nowMs: () => number): Registrar {
  const allowance = new Allowance(PER_SEC, BURST, nowMs());
  const handle: Registrar['handle'] = (protocol, handler, options) =>
    registrar.handle(
      protocol,
      (stream, connection) => {
        if (isDirect(connection)) return stream.abort(new Error('the connection is direct already'));
        if (!allowance.takeOne(nowMs())) return stream.abort(new Error('others are being dialled'));
        return handler(stream, connection);
      },
      options,
    );
  return overridden(registrar, { handle });
}
