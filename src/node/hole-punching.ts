import { dcutr, type DCUtRServiceComponents } from '@libp2p/dcutr';
import type { Registrar } from '@libp2p/interface-internal';
import { isDirect } from '../swarm/direct-connection.ts';
import { overridden } from './overridden.ts';

/**
 * DCUtR: two peers that are connected through a relay dial each other at the same moment. For those alone: whoever is connected
 * directly needs no other connection, and the stock one dials twenty-five addresses of the internet for anybody who names them, as
 * often as they are named.
 */
export function holePunching(): (components: DCUtRServiceComponents) => unknown {
  const make = dcutr();
  return (components) => make(overridden(components, { registrar: relayedOnly(components.registrar) }));
}

function relayedOnly(registrar: Registrar): Registrar {
  const handle: Registrar['handle'] = (protocol, handler, options) =>
    registrar.handle(
      protocol,
      (stream, connection) => {
        if (!isDirect(connection)) return handler(stream, connection);
        stream.abort(new Error('the connection is direct already'));
      },
      options,
    );
  return overridden(registrar, { handle });
}
