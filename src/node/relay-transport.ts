import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type { Libp2pEvents, TopologyFilter, Transport, TypedEventTarget } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { overridden } from './overridden.ts';

/** Relays on which a node reserves a place: one may go, and another comes before the second does. */
const RELAYS = 2;

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

/** What a node listens on to be found through relays. @param hasWebRtc over WebRTC too */
export function relayListen(hasWebRtc: boolean): Multiaddr[] {
  const listen = [...Array<string>(RELAYS).fill('/p2p-circuit'), ...(hasWebRtc ? ['/webrtc'] : [])];
  return listen.map((address) => multiaddr(address));
}

function quiet(components: Components): Components {
  return overridden(components, {
    randomWalk: { walk: async function* () {} },
    events: withoutDiscovery(components.events),
  });
}

/** The node's events without those of peers that were discovered. */
function withoutDiscovery(events: TypedEventTarget<Libp2pEvents>): TypedEventTarget<Libp2pEvents> {
  const addEventListener = (...args: Parameters<typeof events.addEventListener>): void => {
    // Wider than the names of events that its type knows.
    const type: unknown = args[0];
    if (type !== 'peer:discovery') events.addEventListener(...args);
  };
  return overridden(events, { addEventListener });
}
