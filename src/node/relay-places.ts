import type { Listener } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

/** As many relays as gave the last places are gone back to, and each at so many addresses: the first is where it was met. */
const MAX_RELAYS = 4;
const MAX_ADDRESSES = 8;

/** The places that a node has on relays, one for each listener; which are lacking, and where the last ones were. */
export class RelayPlaces {
  readonly #listeners = new Set<Listener>();
  /** By the relay's name. Who gave the last place is the last. */
  readonly #relays = new Map<string, Multiaddr[]>();

  add(listener: Listener): void {
    this.#listeners.add(listener);
    listener.addEventListener('listening', () => this.#remember(listener.getAddrs()));
    listener.addEventListener('close', () => this.#listeners.delete(listener), { once: true });
  }

  /** How many the node would like to have, and has not. */
  get lacking(): number {
    return [...this.#listeners].filter((listener) => listener.getAddrs().length === 0).length;
  }

  /** The addresses of relays that gave places, without those of the relays named. */
  relaysBut(names: ReadonlySet<string>): Multiaddr[][] {
    return [...this.#relays].filter(([name]) => !names.has(name)).map(([, addresses]) => addresses);
  }

  #remember(addresses: readonly Multiaddr[]): void {
    const places = addresses.map((address) => address.decapsulate('/p2p-circuit'));
    const name = places[0] && lastOf(places[0]);
    if (name === undefined) return;
    // Others are the relay's word.
    const own = places.filter((place) => lastOf(place) === name);
    this.#relays.delete(name);
    this.#relays.set(name, own.slice(0, MAX_ADDRESSES));
    for (const oldest of [...this.#relays.keys()].slice(0, -MAX_RELAYS)) this.#relays.delete(oldest);
  }
}

/** In which rounds something is tried, while places are lacking: after one, and then each time after twice as many. */
export class Rounds {
  readonly #latest: number;
  #before = 0;
  #pause = 1;
  #waited = 0;

  /** @param latest after no more than so many */
  constructor(latest: number) {
    this.#latest = latest;
  }

  /** Call once in each round. @param lacking places that are lacking in it */
  isDue(lacking: number): boolean {
    // Who lacks a second one all along must not wait for long when the first is lost.
    if (lacking === 0 || lacking > this.#before) [this.#pause, this.#waited] = [1, 0];
    this.#before = lacking;
    if (lacking === 0 || ++this.#waited < this.#pause) return false;
    [this.#pause, this.#waited] = [Math.min(2 * this.#pause, this.#latest), 0];
    return true;
  }
}

/** The name at the end of a peer's address. */
function lastOf(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1);
  return last?.name === 'p2p' ? last.value : undefined;
}
