import { circuitRelayTransport, RELAY_V2_HOP_CODEC, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2';
import type {
  Connection,
  Libp2pEvents,
  PeerId,
  StreamHandler,
  Topology,
  TopologyFilter,
  Transport,
  TypedEventTarget,
} from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { overridden } from './overridden.ts';
import { RelayPlaces, Rounds } from './relay-places.ts';
import { sleep } from './sleep.ts';

/** Relays on which a node reserves a place: one may go, and another comes before the second does. */
const RELAYS = 2;

/**
 * A place that a relay did not give in time, had none of, or that was lost with the connection, is asked for again after this,
 * and then each time after twice as long, up to so many times this: of a relay that is connected after a minute, while one that is
 * not, and may be gone for good, is dialled every ten minutes, as anybody is.
 */
const AGAIN_MS = 5000;
const LATEST_ASKING = 12;
const LATEST_DIALLING = 120;

/** A place is renewed so long before its end, and after this at the latest, whenever its end is said to be; but not at once. */
const BEFORE_END_MS = 300_000;
const RENEW_MS = 1_800_000;
const SOONEST_RENEWAL_MS = 30_000;

/** libp2p's own limit of a dial. */
const DIAL_MS = 10_000;

type Components = Parameters<ReturnType<typeof circuitRelayTransport>>[0];

/** What this asks of libp2p's transport; its type does not tell of it. */
interface Placed {
  readonly reservationStore: {
    readonly reservations: { set(relay: PeerId, place: Place): unknown };
    hasReservation(relay: PeerId): boolean;
    addRelay(relay: PeerId, type: string): Promise<unknown>;
  };
}

interface Place {
  readonly type: string;
  /** Seconds since 1970, by the relay's clock. */
  readonly reservation: { expire: bigint };
  /** Renews it. */
  timeout: NodeJS.Timeout;
}

/** Peers are not kept from being asked again: a relay that comes back is as good as before. */
const ALL: TopologyFilter = { has: () => false, add: () => {}, remove: () => {} };

/** What {@link relayTransport} takes. */
export interface RelayTransportOptions {
  /** A place that is lacking is asked for again after this at first. Default: 5,000 ms. */
  againMs?: number;
  /** A place is renewed after this at the latest. Default: 1,800,000 ms. */
  renewMs?: number;
}

/**
 * Circuit relay v2, the client's side: dials peers through relays, and where this node listens on `/p2p-circuit`, reserves
 * on as many relays as it does so, of those that it is connected to.
 *
 * The stock one searches the network for relays, and dials whomever any discovery names, for as long as it lacks one. Here
 * nothing is dialled for the sake of a relay but one that gave a place before. And the stock one asks each relay once, when it
 * connects: where that came to nothing (a busy machine needs more than its five seconds), or the connection was lost later,
 * nobody found the node any more.
 *
 * And nobody comes through a relay on which this node has no place. Of any peer that says that somebody comes through it the stock
 * one asks for a place there and then, tells of the addresses that it names, and keeps a listener for each time that it was said.
 */
export function relayTransport({ againMs = AGAIN_MS, renewMs = RENEW_MS }: RelayTransportOptions = {}): (
  components: Components,
) => Transport {
  // Places of one moment are renewed in one moment; of a renewal that waits for another the stock one loses sight.
  const make = circuitRelayTransport({ discoveryFilter: ALL, reservationConcurrency: RELAYS });
  return (components) => {
    const places = new RelayPlaces();
    const hasPlace = (relay: PeerId): boolean =>
      (transport as unknown as Placed).reservationStore.hasReservation(relay);
    const transport = make(quiet(components, places, againMs, hasPlace));
    renewByOwnClock(transport as unknown as Placed, renewMs);
    const createListener: Transport['createListener'] = (options) => {
      const listener = transport.createListener(options);
      places.add(listener);
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

function quiet(
  components: Components,
  places: RelayPlaces,
  againMs: number,
  hasPlace: (relay: PeerId) => boolean,
): Components {
  return overridden(components, {
    randomWalk: { walk: async function* () {} },
    peerStore: withoutTagsEnd(components.peerStore),
    events: withoutDiscovery(components.events),
    registrar: overridden(askingAgain(components, places, againMs), {
      handle: (protocol, handler, options) =>
        components.registrar.handle(
          protocol,
          protocol === RELAY_V2_STOP_CODEC ? ofPlaces(handler, hasPlace) : handler,
          options,
        ),
    }),
  });
}

/**
 * A relay says when a place ends by its own clock. Where that is ahead of this node's, the place was renewed when it had long
 * ended: with an hour, nobody came through it for most of an hour of every two.
 */
function renewByOwnClock({ reservationStore }: Placed, renewMs: number): void {
  const { reservations } = reservationStore;
  const set = reservations.set.bind(reservations);
  reservations.set = (relay, place) => {
    clearTimeout(place.timeout);
    const leftMs = Number(place.reservation.expire) * 1000 - Date.now();
    const inMs = leftMs > 0 ? Math.max(leftMs - BEFORE_END_MS, SOONEST_RENEWAL_MS) : Infinity;
    place.timeout = setTimeout(
      () => {
        // One that does not end soon would not be renewed.
        place.reservation.expire = 0n;
        // Where it fails, the place is given up.
        reservationStore.addRelay(relay, place.type).catch(() => {});
      },
      Math.min(inMs, renewMs),
    );
    return set(relay, place);
  };
}

/**
 * A relay is marked until its place is to end, and a mark that has ended is refused: where a node's clock is two hours ahead it got
 * no place at all. The mark goes with the place, too.
 */
function withoutTagsEnd(peerStore: Components['peerStore']): Components['peerStore'] {
  const merge: typeof peerStore.merge = (peer, { tags, ...data }, options) => {
    const marks = Object.entries(tags ?? {}).map(
      ([name, tag]) => [name, tag && { value: tag.value ?? 0 }] as const,
    );
    return peerStore.merge(peer, { ...data, tags: Object.fromEntries(marks) }, options);
  };
  return overridden(peerStore, { merge });
}

function ofPlaces(handler: StreamHandler, hasPlace: (relay: PeerId) => boolean): StreamHandler {
  return (stream, connection) => {
    if (hasPlace(connection.remotePeer)) return handler(stream, connection);
    stream.abort(new Error('this node has no place on that relay'));
  };
}

/** Tells whoever asks for relays of those that are connected again and again, while a place is lacking. */
function askingAgain(components: Components, places: RelayPlaces, againMs: number): Components['registrar'] {
  const { registrar } = components;
  const ends = new Map<string, AbortController>();
  const register: typeof registrar.register = async (protocol, topology, options) => {
    const id = await registrar.register(protocol, topology, options);
    if (protocol !== RELAY_V2_HOP_CODEC) return id;
    const end = new AbortController();
    ends.set(id, end);
    void keepLooking(end.signal, topology);
    return id;
  };
  const keepLooking = async (signal: AbortSignal, topology: Topology): Promise<void> => {
    const asking = new Rounds(LATEST_ASKING);
    const dialling = new Rounds(LATEST_DIALLING);
    for (await sleep(againMs, signal); !signal.aborted; await sleep(againMs, signal)) {
      const { lacking } = places;
      if (asking.isDue(lacking))
        for (const connection of components.connectionManager.getConnections())
          void tellOf(components, connection, topology);
      if (dialling.isDue(lacking)) goBack(components, places, signal);
    }
  };
  const unregister: typeof registrar.unregister = (id) => {
    ends.get(id)?.abort();
    ends.delete(id);
    registrar.unregister(id);
  };
  return overridden(registrar, { register, unregister });
}

/** Dials relays that gave a place before; they are asked for one when they have introduced themselves. */
function goBack({ connectionManager }: Components, places: RelayPlaces, signal: AbortSignal): void {
  const connected = new Set(
    connectionManager.getConnections().map(({ remotePeer }) => remotePeer.toString()),
  );
  for (const addresses of places.relaysBut(connected)) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]);
    // Where it is still gone, a later round dials it again.
    connectionManager.openConnection(addresses, { signal: limit }).catch(() => {});
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
