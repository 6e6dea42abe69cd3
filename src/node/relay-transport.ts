import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type { Libp2pEvents, TopologyFilter, Transport, TypedEventTarget } from '@libp2p/interface';

type Components = Parameters<ReturnType<typeof circuitRelayTransport>>[0];

/** Peers are not kept from being asked again: a relay that comes back is as good as before. */
const ALL: TopologyFilter = { has: () => false, add: () => {}, remove: () => {} };

/**
 * Circuit relay v2, the client's side: dials peers through relays, and where this node listens on `/p2p-circuit`, reserves
 * on as many relays as it does so, of those that it is connected to.
 *
 * The stock one searches the network for relays, and dials whomever any discovery names, for as long as it lacks one. Here
 * nothing is dialled for the sake of a relay but one that was connected before.
 */
export function relayTransport(): (components: Components) => Transport {
  const make = circuitRelayTransport({ discoveryFilter: ALL });
  return (components) => make(quiet(components));
}

function quiet(components: Components): Components {
  const overrides: Partial<Components> = {
    randomWalk: { walk: async function* () {} },
    events: withoutDiscovery(components.events),
  };
  return new Proxy(components, {
    get: (target, name: keyof Components) => overrides[name] ?? target[name],
  });
}

/** The node's events without those of peers that were discovered. */
function withoutDiscovery(events: TypedEventTarget<Libp2pEvents>): TypedEventTarget<Libp2pEvents> {
  const isHeard = (type: unknown): boolean => type !== 'peer:discovery';
  return new Proxy(events, {
    get(target, name: keyof TypedEventTarget<Libp2pEvents>) {
      if (name === 'addEventListener') {
        return (...args: Parameters<typeof target.addEventListener>) => {
          if (isHeard(args[0])) target.addEventListener(...args);
        };
      }
      const value: unknown = target[name];
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
