import { circuitRelayServer, type CircuitRelayService } from '@libp2p/circuit-relay-v2';
import type { Connection, Libp2pEvents, PeerId, Stream, TypedEventTarget } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { RelayBounds } from '../api.ts';
import { ShoalError } from '../errors.ts';
import { hasItsPart, originOf, PARTS } from './inbound-bounds.ts';
import { optionsOf, type Kinds } from './options-of.ts';

type Components = Parameters<ReturnType<typeof circuitRelayServer>>[0] & {
  events: TypedEventTarget<Libp2pEvents>;
};

/** What this wraps of libp2p's service; its type does not tell of it. */
interface Reserving {
  readonly reservationStore: { reserve(peer: PeerId, address: Multiaddr, ...rest: unknown[]): unknown };
}

/** What this wraps of it for who connects through it. */
interface Relaying {
  /** Leads somebody to a peer. Resolves with nothing where that cannot be, which is answered. */
  stopHop(way: Way, ...rest: unknown[]): Promise<Stream | undefined>;
}

interface Way {
  /** To whom it leads; and in the request who comes. */
  readonly connection: Pick<Connection, 'remotePeer'>;
  readonly request: { readonly peer?: { readonly id: Uint8Array } };
}

/** A place is not given. */
const REFUSED = { status: 'RESERVATION_REFUSED' };

/** Peers that may be reached through this node at once. libp2p's own default of 15 refuses a class of pupils. */
const DEFAULT_PEERS = 256;

/**
 * Of each relayed connection. Two peers that find each other use some 20 KB; libp2p's own default of 128 KiB would be
 * enough for that, but not for peers that have many addresses to tell. Nobody gets a file this way.
 */
const DEFAULT_CONNECTION_BYTES = 1024 ** 2;

/** Peers find each other in a second, or after some attempts; longer is of use to nobody. */
const DEFAULT_CONNECTION_MS = 120_000;

/** A timer takes no more, and one that is set for longer comes at once: 24 days. */
const LONGEST_CONNECTION_MS = 2 ** 31 - 1;

/** Relayed connections from one peer, and to one, at once: as many as it dials for all its swarms. */
const MAX_CONNECTIONS_PER_PEER = 32;

/** Relays for others, within bounds (circuit relay v2). A peer's place is free again when it has gone. */
export function relayService(bounds: RelayBounds): (components: Components) => CircuitRelayService {
  const places = bounds.peers ?? DEFAULT_PEERS;
  const make = circuitRelayServer({
    maxInboundHopStreams: MAX_CONNECTIONS_PER_PEER,
    maxOutboundStopStreams: MAX_CONNECTIONS_PER_PEER,
    reservations: {
      maxReservations: places,
      defaultDataLimit: BigInt(bounds.connectionBytes ?? DEFAULT_CONNECTION_BYTES),
      defaultDurationLimit: Math.min(bounds.connectionMs ?? DEFAULT_CONNECTION_MS, LONGEST_CONNECTION_MS),
    },
  });
  return (components) => {
    const service = make(components);
    endWhole(service);
    leaveRoom(service, places);
    leaveWays(service, components.connectionManager);
    // libp2p keeps the place for two hours, in which pages that come and go would take all.
    components.events.addEventListener('peer:disconnect', ({ detail }) => {
      service.reservations.delete(detail);
    });
    return service;
  };
}

/**
 * A place's timer ends with it, and a place that is renewed is a new one. A timer of `retimeable-signal` that was set
 * anew cannot be stopped any more: a peer that renewed its place twice lost it at the end of the first renewal, as did one
 * that came back at the end of the place that it had before.
 */
function endWhole(service: CircuitRelayService): void {
  const { reservations } = service;
  const remove = reservations.delete.bind(reservations);
  reservations.delete = (peer) => {
    reservations.get(peer)?.signal.clear();
    return remove(peer);
  };
  const { reservationStore } = service as unknown as Reserving;
  const reserve = reservationStore.reserve.bind(reservationStore);
  reservationStore.reserve = (peer, ...rest) => {
    reservations.delete(peer);
    return reserve(peer, ...rest);
  };
}

/** One host could have all places, by as many identities, and nobody else was reached through the relay. */
function leaveRoom(service: CircuitRelayService, places: number): void {
  const { reservations } = service;
  const { reservationStore } = service as unknown as Reserving;
  const reserve = reservationStore.reserve.bind(reservationStore);
  reservationStore.reserve = (peer, address, ...rest) => {
    const taken = [...reservations.values()].map(({ addr }) => originOf(addr));
    if (!reservations.has(peer) && isTooMuch(taken, originOf(address), places)) return REFUSED;
    return reserve(peer, address, ...rest);
  };
}

/** And all connections that may lead to a peer through the relay at once: nobody else reached it. */
function leaveWays(service: CircuitRelayService, connections: Components['connectionManager']): void {
  const relaying = service as unknown as Relaying;
  const lead = relaying.stopHop.bind(service);
  /** By whom they lead to: from where each comes. */
  const ways = new Map<string, Map<Way, string>>();
  const originOfPeer = (id: Uint8Array | undefined): string => {
    const [from] = connections.getConnections().filter(({ remotePeer }) => isSame(remotePeer, id));
    return from ? originOf(from.remoteAddr) : '';
  };
  relaying.stopHop = async (way, ...rest) => {
    const to = way.connection.remotePeer.toString();
    const origin = originOfPeer(way.request.peer?.id);
    const open = ways.get(to) ?? new Map<Way, string>();
    if (isTooMuch([...open.values()], origin, MAX_CONNECTIONS_PER_PEER)) return undefined;
    ways.set(to, open.set(way, origin));
    const end = (): void => {
      open.delete(way);
      if (open.size === 0) ways.delete(to);
    };
    try {
      const stream = await lead(way, ...rest);
      if (stream?.status === 'open') stream.addEventListener('close', end);
      else end();
      return stream;
    } catch (error) {
      end();
      throw error;
    }
  };
}

function isSame(peer: PeerId, id: Uint8Array | undefined): boolean {
  return id !== undefined && Buffer.compare(peer.toMultihash().bytes, id) === 0;
}

/** The last third is for those from whose network no third is taken. @param taken from where those come that have something of it */
function isTooMuch(taken: readonly string[], origin: string, most: number): boolean {
  return PARTS * (most - taken.length) <= most && hasItsPart(taken, origin, most);
}

const BOUNDS: Kinds<RelayBounds> = { peers: 'any', connectionBytes: 'any', connectionMs: 'any' };

/** @throws ERR_RELAY_BOUNDS, ERR_OPTION */
export function relayBoundsOf(relay: boolean | RelayBounds): boolean | RelayBounds {
  if (typeof relay === 'boolean') return relay;
  const bounds = optionsOf(relay, BOUNDS);
  for (const [name, value] of Object.entries(bounds)) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new ShoalError(
      'ERR_RELAY_BOUNDS',
      `relay.${name} is ${String(value)}, and must be a whole number above 0; leave it out for its default, or set relay to false`,
    );
  }
  return bounds;
}
