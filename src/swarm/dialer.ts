import type { Connection, Libp2p, PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { boundedAddresses } from './core/contact-table.ts';
import type { Contact, PeerKey } from './core/messages.ts';
import { dialInTurn } from './dial-in-turn.ts';
import { directConnection, findDirect, isDirect } from './direct-connection.ts';

/** Dials at a time, where nothing else is said: libp2p's own limit is higher, but each costs a handshake. */
const DIALS_AT_A_TIME = 8;

/** Contacts that wait to be dialled; more are answered as failed at once, and the exchange tries others. */
const MAX_QUEUED = 128;

/** Of the dials at a time one who tells of peers has no more than this part: what it makes up must not keep others' from being dialled. */
const MOST_OF_SOURCE = 3 / 4;

/** A peer that does not answer in this time is of no use to a download. */
const DIAL_TIMEOUT_MS = 15_000;

/** A connection that the peer has begun to make is waited for so long: signalling, ICE and DTLS on a busy machine. */
const OTHER_ENDS_MS = 4000;

/** What a {@link Dialer} works with. */
export interface DialerHost {
  libp2p: Libp2p;
  dialsAtATime: number | undefined;
  /** Opens the link on a connection, or throws. */
  ensure(connection: Connection): Promise<unknown>;
  onFailed(peer: PeerKey, error: unknown): void;
}

/** A contact, and who told of it; undefined: this node knows it itself. */
interface Told {
  readonly contact: Contact;
  readonly source: PeerKey | undefined;
}

/** Dials contacts, a few at a time, and opens links on the connections. */
export class Dialer {
  readonly #host: DialerHost;
  /** By peer and source. Of one peer several may tell, and not all of them the truth: addresses that differ are dialled by themselves. */
  readonly #queued = new Map<string, Told>();
  readonly #running = new Map<PeerKey, { done: Promise<void>; told: Told }>();
  readonly #stopping = new AbortController();

  constructor(host: DialerHost) {
    this.#host = host;
  }

  /** @param source who told of it; undefined: this node knows it itself */
  dial(contact: Contact, source?: PeerKey): void {
    if (this.#stopping.signal.aborted) return;
    const { peer } = contact;
    const before = [...this.#queued.values(), ...[...this.#running.values()].map(({ told }) => told)];
    const known = before.filter((told) => told.contact.peer === peer);
    const tried = new Set(known.flatMap((told) => told.contact.addresses));
    const addresses = contact.addresses.filter((address) => !tried.has(address));
    if (known.length > 0 && addresses.length === 0) return;
    const key = keyOf(peer, source);
    const waiting = this.#queued.get(key)?.contact.addresses ?? [];
    const all = boundedAddresses([...addresses, ...waiting]);
    this.#queued.set(key, { contact: { peer, addresses: all }, source });
    if (this.#queued.size > MAX_QUEUED) this.#dropOne();
    this.#next();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#queued.clear();
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }

  #next(): void {
    for (let told = this.#choose(); told; told = this.#choose()) {
      const { contact, source } = told;
      const { peer } = contact;
      this.#queued.delete(keyOf(peer, source));
      const done = this.#connect(contact)
        .catch((error: unknown) => {
          if (!this.#stopping.signal.aborted) this.#host.onFailed(peer, error);
        })
        .finally(() => {
          this.#running.delete(peer);
          this.#next();
        });
      this.#running.set(peer, { done, told });
    }
  }

  /** The first that waits of a source of which the fewest are being dialled. */
  #choose(): Told | undefined {
    const places = this.#host.dialsAtATime ?? DIALS_AT_A_TIME;
    if (this.#running.size >= places) return undefined;
    const most = Math.max(1, Math.floor(places * MOST_OF_SOURCE));
    const dialled = countsOf([...this.#running.values()].map(({ told }) => told));
    let chosen: Told | undefined;
    let fewest = Infinity;
    for (const told of this.#queued.values()) {
      if (this.#running.has(told.contact.peer)) continue;
      const count = dialled.get(told.source) ?? 0;
      if (count >= fewest || (told.source !== undefined && count >= most)) continue;
      chosen = told;
      fewest = count;
    }
    return chosen;
  }

  /** Too many wait: the last one goes of the source that has most. */
  #dropOne(): void {
    const all = [...this.#queued.values()];
    const waiting = countsOf(all);
    const most = Math.max(...waiting.values());
    const { contact, source } = all.findLast((told) => waiting.get(told.source) === most) as Told;
    this.#queued.delete(keyOf(contact.peer, source));
    this.#host.onFailed(contact.peer, new Error('too many contacts wait to be dialled'));
  }

  async #connect(contact: Contact): Promise<void> {
    const { libp2p } = this.#host;
    const id = peerIdFromString(contact.peer);
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
    const coming = new Coming(libp2p, id);
    try {
      const open = findDirect(libp2p, id) ?? (await coming.begun(signal));
      const connection = open ?? (await coming.orDialled(addressesOf(contact), signal));
      await this.#host.ensure(await directConnection(libp2p, connection, signal));
    } finally {
      coming.end();
    }
  }
}

/**
 * What the peer does meanwhile to reach this node. Pages hear of each other at the same time and both dial; each such dial
 * makes a connection of its own through the relay, and the one that loses was waited for until it timed out, and then
 * tried again by the peer's next address, with the peer long connected.
 */
class Coming {
  readonly #libp2p: Libp2p;
  readonly #peer: PeerId;
  readonly #arrived = Promise.withResolvers<Connection>();
  readonly #ended = new AbortController();

  constructor(libp2p: Libp2p, peer: PeerId) {
    this.#libp2p = libp2p;
    this.#peer = peer;
    // Identify has gone over it, so that it is whole at both ends: else each could give up its own for the other's.
    libp2p.addEventListener(
      'peer:identify',
      ({ detail: { connection } }) => {
        const isTheirs = connection.direction === 'inbound' && connection.remotePeer.equals(peer);
        if (isTheirs && isDirect(connection)) this.#arrived.resolve(connection);
      },
      { signal: this.#ended.signal },
    );
  }

  /** Where the peer has begun to make a connection, through a relay: that connection, or undefined after a while. */
  async begun(signal: AbortSignal): Promise<Connection | undefined> {
    const relayed = this.#libp2p.getConnections(this.#peer);
    const isBegun = relayed.some((each) => each.direction === 'inbound' && each.status === 'open');
    if (!isBegun) return undefined;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(OTHER_ENDS_MS)]);
    const given = Promise.withResolvers<undefined>();
    limit.addEventListener('abort', () => given.resolve(undefined), { signal: this.#ended.signal });
    const connection = await Promise.race([this.#arrived.promise, given.promise]);
    signal.throwIfAborted();
    return connection;
  }

  /** Dials, unless the peer is there before. @param addresses none: wherever libp2p knows it to be */
  async orDialled(addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const giveUp = new AbortController();
    const limit = AbortSignal.any([signal, giveUp.signal]);
    const dialling =
      addresses.length > 0
        ? dialInTurn(this.#libp2p, addresses, limit)
        : this.#libp2p.dial(this.#peer, { signal: limit });
    const connection = await Promise.race([this.#arrived.promise, dialling]);
    giveUp.abort();
    dialling.catch(() => {});
    return connection;
  }

  end(): void {
    this.#ended.abort();
  }
}

function keyOf(peer: PeerKey, source = ''): string {
  return `${peer} ${source}`;
}

/** How many there are of each source. */
function countsOf(all: readonly Told[]): Map<PeerKey | undefined, number> {
  const counts = new Map<PeerKey | undefined, number>();
  for (const { source } of all) counts.set(source, (counts.get(source) ?? 0) + 1);
  return counts;
}

/** Contacts without the addresses, and without those, that this node has no transport for. */
export function dialable(contacts: readonly Contact[], canDial: (address: string) => boolean): Contact[] {
  return contacts.flatMap(({ peer, addresses }) => {
    const some = addresses.filter(canDial);
    return some.length > 0 || addresses.length === 0 ? [{ peer, addresses: some }] : [];
  });
}

/** The addresses that can be read and lead to this peer and no other. */
function addressesOf({ peer, addresses }: Contact): Multiaddr[] {
  return addresses.flatMap((address) => {
    try {
      // One through a relay names the relay in its middle.
      const text = /\/p2p\/[^/]+$/.test(address) ? address : `${address}/p2p/${peer}`;
      return text.endsWith(`/p2p/${peer}`) ? [multiaddr(text)] : [];
    } catch {
      return [];
    }
  });
}
