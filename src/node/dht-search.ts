import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import { Slots } from '../store/bounded.ts';
import { boundedAddresses } from '../swarm/core/contact-table.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { letExit } from '../swarm/let-exit.ts';
import { widestFirst } from '../swarm/widest-first.ts';
import { MOST_PROVIDERS } from './known-providers.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';
import { sleep } from './sleep.ts';

/** Waits between walks of the DHT for a root nobody is found for yet. */
const SEARCH_FIRST_MS = 500;
const SEARCH_LAST_MS = 30_000;

/**
 * And once its swarm is found, for parts of it that do not know of each other. A walk asks some twenty nodes: with thirty
 * peers of one asset that walked every half minute, the DHT was in a sixth of all samples of a profile.
 */
const FOUND_FIRST_MS = 30_000;
const FOUND_LAST_MS = 480_000;

/** How soon it is seen that a swarm that was found is lost. */
const LOST_AFTER_MS = 2000;

/**
 * Where addresses of peers are known they are tried first, for a walk costs a stream and often a connection to each
 * node on its way. In a crowd that starts together such walks took most of the first ten seconds' processor time. Three
 * seconds are thirty round trips of a long path: whoever is there has answered.
 */
const ADDRESSES_FIRST_MS = 3000;
const LOOK_MS = 250;

/** One walk of the DHT, for finding or for providing. */
export const WALK_TIMEOUT_MS = 30_000;

/**
 * A walk that hears nothing for so long asks nodes that are gone: where the DHT has gained a member meanwhile it ends, and the next
 * one asks that, too. Whoever is there answers sooner, over a long path too.
 */
const QUIET_MS = 3000;

/** A walk that was told of so many ends where the swarm is found. Before it is, they may be made up, and others know better. */
const PROVIDERS_ENOUGH = 20;

/** Providers and nodes counted for the report; whatever comes beyond is used and not counted. */
const MAX_COUNTED = 10_000;

/** Told of providers, and of the node of the DHT that named them. */
export type OnContacts = (contacts: Contact[], source: string) => void;

/** Looks for a root's providers in the DHT, again and again, and counts what came of it. */
export class DhtSearch {
  /** Finished walks. */
  walks = 0;
  /** Nodes that were asked. */
  readonly asked = new Set<string>();
  /** Nodes that answered. */
  readonly answered = new Set<string>();
  /** Providers that were named. */
  readonly providers = new Set<string>();
  readonly #libp2p: ShoalLibp2p;
  readonly #root: CID;
  readonly #log: (level: LogLevel, message: string) => void;
  readonly #turns: Slots;
  #wake: (() => void) | undefined;
  /** Ends the walk that is under way, once nothing is heard any more. */
  #hasten: (() => void) | undefined;
  /** The DHT gained a member during the walk, which knows nothing of it. */
  #isWoken = false;

  /** @param turns of all searches of the node; default: walks wait for nobody */
  constructor(
    libp2p: ShoalLibp2p,
    root: CID,
    log: (level: LogLevel, message: string) => void,
    turns = new Slots(Infinity),
  ) {
    this.#libp2p = libp2p;
    this.#root = root;
    this.#log = log;
    this.#turns = turns;
  }

  /**
   * Walks until the signal ends it; each provider is told as often as it is found.
   *
   * @param hasEnough whether the asset's swarm is found: then its members tell of others far more cheaply than the
   *   DHT, and walks become ever rarer. In a crowd each newcomer is news; walking for each kept ten nodes busy
   *   with little else (a third of their processor time)
   * @param mayDo whether addresses that are being dialled may lead to the swarm yet
   */
  async run(
    onContacts: OnContacts,
    hasEnough: () => boolean,
    signal: AbortSignal,
    mayDo: () => boolean = () => false,
  ): Promise<void> {
    let waitMs = SEARCH_FIRST_MS;
    for (let triedMs = 0; triedMs < ADDRESSES_FIRST_MS && mayDo(); triedMs += LOOK_MS) {
      await sleep(LOOK_MS, signal);
      if (signal.aborted) return;
    }
    let foundWaitMs = FOUND_FIRST_MS;
    const pause = async (): Promise<void> => {
      const isFound = hasEnough();
      const isNeeded = await this.#sleepOrWake(isFound ? foundWaitMs : waitMs, hasEnough, signal);
      foundWaitMs = isFound && !isNeeded ? Math.min(foundWaitMs * 2, FOUND_LAST_MS) : FOUND_FIRST_MS;
      if (isNeeded) waitMs = SEARCH_FIRST_MS;
    };
    if (hasEnough()) await pause();
    while (!signal.aborted) {
      const before = this.providers.size;
      await this.#walkInTurn(onContacts, hasEnough, signal);
      if (signal.aborted) return;
      this.walks++;
      const hasNews = this.providers.size > before;
      waitMs = hasNews || this.#isWoken ? SEARCH_FIRST_MS : Math.min(waitMs * 2, SEARCH_LAST_MS);
      await pause();
    }
  }

  /** The DHT gained a member: asks anew at once, or soon after a walk that is under way, unless the swarm is found. */
  wake(): void {
    this.join();
    this.#hasten?.();
  }

  /** Somebody else looks for it, too: a walk begins at once, unless one is under way, and others soon after, unless the swarm is found. */
  join(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** A walk that takes long, as among nodes that are gone, does not keep the others waiting. */
  async #walkInTurn(onContacts: OnContacts, hasEnough: () => boolean, signal: AbortSignal): Promise<void> {
    let walking: Promise<void> | undefined;
    await this.#turns.run(async () => {
      if (signal.aborted) return;
      this.#isWoken = false;
      const ended = new AbortController();
      walking = this.#walk(onContacts, hasEnough, signal).finally(() => ended.abort());
      await sleep(QUIET_MS, ended.signal);
    });
    await walking;
  }

  async #walk(onContacts: OnContacts, hasEnough: () => boolean, signal: AbortSignal): Promise<void> {
    const self = this.#libp2p.peerId;
    const ended = new AbortController();
    const limited = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(WALK_TIMEOUT_MS)]);
    let found = 0;
    let quiet: ReturnType<typeof setTimeout> | undefined;
    const listen = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => ended.abort(), QUIET_MS);
      letExit(quiet);
    };
    this.#hasten = () => {
      if (quiet === undefined) listen();
    };
    const note = (set: Set<string>, peer: string): void => {
      if (set.size < MAX_COUNTED) set.add(peer);
    };
    try {
      const events = this.#libp2p.services.dht?.findProviders(this.#root, { signal: limited }) ?? [];
      for await (const event of events) {
        if (event.name === 'SEND_QUERY') note(this.asked, event.to.toString());
        if (event.name === 'PEER_RESPONSE') {
          note(this.answered, event.from.toString());
          if (quiet !== undefined) listen();
        }
        if (event.name !== 'PROVIDER') continue;
        const contacts = event.providers
          .slice(0, MOST_PROVIDERS)
          .filter(({ id }) => !id.equals(self))
          .map(({ id, multiaddrs }) => ({
            peer: id.toString(),
            addresses: boundedAddresses(widestFirst(multiaddrs.map(String))),
          }));
        for (const { peer } of contacts) note(this.providers, peer);
        onContacts(contacts, event.from.toString());
        found += contacts.length;
        if (found >= PROVIDERS_ENOUGH && hasEnough()) break;
      }
    } catch (error) {
      if (!signal.aborted)
        this.#log('debug', `DHT: no answer for ${this.#root.toString()}: ${String(error)}`);
    } finally {
      this.#hasten = undefined;
      clearTimeout(quiet);
    }
  }

  /** @returns whether there is reason to walk at once: the DHT gained a member, or the swarm was lost meanwhile */
  async #sleepOrWake(ms: number, hasEnough: () => boolean, signal: AbortSignal): Promise<boolean> {
    const wakened = new AbortController();
    const either = AbortSignal.any([signal, wakened.signal]);
    this.#wake = () => {
      if (!hasEnough()) wakened.abort();
    };
    if (hasEnough()) {
      for (let sleptMs = 0; sleptMs < ms && !either.aborted; sleptMs += LOST_AFTER_MS) {
        await sleep(LOST_AFTER_MS, either);
        this.#wake();
      }
    } else await sleep(ms, either);
    this.#wake = undefined;
    return wakened.signal.aborted;
  }
}
