import { circuitRelayTransport, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2';
import type {
  Connection,
  Libp2pEvents,
  Listener,
  Topology,
  TopologyFilter,
  Transport,
  TypedEventTarget,
} from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { overridden } from './overridden.ts';
import { sleep } from './sleep.ts';

/** Relays on which a node reserves a place: one may go, and another comes before the second does. */
const RELAYS = 2;

/** A place that a connected relay did not give in time, or had none of, is asked for again after this, and each time twice as long. */
const AGAIN_MS = 5000;
const LATEST_AGAIN_MS = 60_000;

type Components = Parameters<ReturnType<typeof circuitRelayTransport>>[0];

/** Peers are not kept from being asked again: a relay that comes back is as good as before. */
const ALL: TopologyFilter = { has: () => false, add: () => {}, remove: () => {} };

/**
 * Circuit relay v2, the client's side: dials peers through relays, and where this node listens on `/p2p-circuit`, reserves
 * on as many relays as it does so, of those that it is connected to.
 *
 * The stock one searches the network for relays, and dials whomever any discovery names, for as long as it lacks one. Here
 * nothing is dialled for the sake of a relay but one that was connected before. And the stock one asks each relay once, when it
 * connects: where that came to nothing (a busy machine needs more than its five seconds) nobody found the node any more.
 */
export function relayTransport(): (components: Components) => Transport {
  // Places of one moment are renewed in one moment; of a renewal that waits for another the stock one loses sight.
  const make = circuitRelayTransport({ discoveryFilter: ALL, reservationConcurrency: RELAYS });
  return (components) => {
    const listeners = new Set<Listener>();
    const lacksPlace = (): boolean => [...listeners].some((listener) => listener.getAddrs().length === 0);
    const transport = make(quiet(components, lacksPlace));
    const createListener: Transport['createListener'] = (options) => {
      const listener = transport.createListener(options);
      listeners.add(listener);
      listener.addEventListener('close', () => listeners.delete(listener), { once: true });
      return listener;
    };
    return overridden(transport, { createListener });
  };
}

/** What a node listens on to be found through relays. @param hasWebRtc over WebRTC too */
export function relayListen(hasWebRtc: boolean): Multiaddr[] {
  const listen = [...Array<string>(RELAYS).fill('/p2p-circuit'), ...(hasWebRtc ? ['/webrtc'] : [])];
  return listen.map((address) => multiaddr(address));
}

function quiet(components: Components, lacksPlace: () => boolean): Components {
  return overridden(components, {
    randomWalk: { walk: async function* () {} },
    events: withoutDiscovery(components.events),
    registrar: askingAgain(components, lacksPlace),
  });
}

/** Tells whoever asks for relays of those that are connected again and again, while a place is lacking. */
function askingAgain(components: Components, lacksPlace: () => boolean): Components['registrar'] {
  const { registrar } = components;
  const ends = new Map<string, AbortController>();
  const register: typeof registrar.register = async (protocol, topology, options) => {
    const id = await registrar.register(protocol, topology, options);
    if (protocol !== RELAY_V2_HOP_CODEC) return id;
    const end = new AbortController();
    ends.set(id, end);
    void keepTelling(components, topology, lacksPlace, end.signal);
    return id;
  };
  const unregister: typeof registrar.unregister = (id) => {
    ends.get(id)?.abort();
    ends.delete(id);
    registrar.unregister(id);
  };
  return overridden(registrar, { register, unregister });
}

async function keepTelling(
  components: Components,
  topology: Topology,
  lacksPlace: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  let waitMs = AGAIN_MS;
  for (await sleep(waitMs, signal); !signal.aborted; await sleep(waitMs, signal)) {
    const isLacking = lacksPlace();
    waitMs = isLacking ? Math.min(2 * waitMs, LATEST_AGAIN_MS) : AGAIN_MS;
    if (!isLacking) continue;
    for (const connection of components.connectionManager.getConnections())
      void tellOf(components, connection, topology);
  }
}

async function tellOf(components: Components, connection: Connection, topology: Topology): Promise<void> {
  if (connection.limits !== undefined || connection.status !== 'open') return;
  try {
    const { protocols } = await components.peerStore.get(connection.remotePeer);
    if (protocols.includes(RELAY_V2_HOP_CODEC)) await topology.onConnect?.(connection.remotePeer, connection);
  } catch {
    // Nothing is known of it: it was not identified yet, or is gone.
  }
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
