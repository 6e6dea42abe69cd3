import type { IdentifyResult, Listener, Startable } from '@libp2p/interface';
import type { AddressManager } from '@libp2p/interface-internal';
import { multiaddr } from '@multiformats/multiaddr';
import { isDirect } from '../swarm/direct-connection.ts';
import { controlProtocol } from '../swarm/link-table.ts';
import type { LogLevel } from '../api.ts';
import type { Standing } from './address-votes.ts';
import { AutonatClient, type AutonatComponents } from './autonat-client.ts';
import { AUTONAT_PROTOCOL } from './autonat-messages.ts';
import { hostOf, isOwnHost } from './ip-host.ts';
import { relayListen } from './relay-transport.ts';

/** The parts of a libp2p node that this works with. */
interface Components extends AutonatComponents {
  addressManager: AddressManager;
}

/** What {@link reachability} is made from. */
export interface ReachabilityOptions {
  /** The node listens: whoever does not is not to be found either. */
  isListening: boolean;
  /** It can be dialled over WebRTC, too. */
  hasWebRtc: boolean;
  network: string;
  /** Addresses of a NAT that lead to this node are kept in here. */
  forwarded: Set<string>;
  log: (level: LogLevel, message: string) => void;
}

/** Network cards come and go, and nothing tells of it; a look takes a fraction of a millisecond. */
const LOOK_MS = 10_000;

/** Years: nobody comes to confirm it again. */
const CONFIRMED_MS = 10 * 365 * 24 * 3_600_000;

/**
 * Under which addresses a node is known. A libp2p service.
 *
 * An address of a network card of its own is one of its addresses, also a public one: libp2p itself tells nobody of those
 * until peers of four different networks have dialled back (AutoNAT), which a small network never has. Where a peer that
 * was dialled has seen the node come from another address, there is a NAT between: then the node reserves on relays among
 * those it is connected to, and can be found through them; and peers are asked whether they reach it at that address, which
 * they do where the router forwards the port. Then it is one of the node's own.
 */
export function reachability(options: ReachabilityOptions): (components: Components) => Startable {
  return (components) => new Reachability(components, options);
}

class Reachability implements Startable {
  readonly #components: Components;
  readonly #options: ReachabilityOptions;
  readonly #autonat: AutonatClient;
  /** Asking for the network cards, for each address and each peer that comes, is not for nothing. */
  readonly #confirmed = new Set<string>();
  /** Where each listener was found to listen. */
  readonly #listening = new WeakMap<Listener, string>();
  #isReserving = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: Components, options: ReachabilityOptions) {
    this.#components = components;
    this.#options = options;
    this.#autonat = new AutonatClient(components, {
      onChange: (address, standing) => this.#settled(address, standing),
      log: options.log,
    });
    const { events } = components;
    events.addEventListener('transport:listening', ({ detail: listener }) => {
      this.#listening.set(listener, placesOf(listener));
      this.#confirmOwn(listener);
    });
    events.addEventListener('peer:identify', ({ detail }) => this.#identified(detail));
  }

  start(): void {
    this.#autonat.start();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.#autonat.stop();
  }

  /** Tells of addresses that came and went with a network card: libp2p looks at them when it is told that it listens. */
  #look(): void {
    const { events, transportManager } = this.#components;
    for (const listener of transportManager.getListeners())
      if ((this.#listening.get(listener) ?? '') !== placesOf(listener))
        events.dispatchEvent(new CustomEvent('transport:listening', { detail: listener }));
  }

  #identified({ connection, observedAddr, protocols }: IdentifyResult): void {
    if (!this.#options.isListening || !observedAddr) return;
    const host = hostOf(observedAddr);
    if (host === undefined) return;
    if (isOwnHost(host)) {
      // It may have come after the node began to listen: a machine that starts may have no network yet.
      for (const listener of this.#components.transportManager.getListeners()) this.#confirmOwn(listener);
      return;
    }
    if (!isDirect(connection) || connection.direction !== 'outbound') return;
    if (!this.#isReserving) this.#reserve(connection.remoteAddr.toString(), observedAddr.toString());
    // Of strangers to this network not all serve it well: js-libp2p's own closes the connection over which it is asked.
    const isAsked = [AUTONAT_PROTOCOL, controlProtocol(this.#options.network)].every((each) =>
      protocols.includes(each),
    );
    if (isAsked) this.#autonat.meet(connection, observedAddr);
  }

  #confirmOwn(listener: Listener): void {
    for (const address of listener.getAddrs()) {
      const host = hostOf(address);
      if (host === undefined || this.#confirmed.has(address.toString()) || !isOwnHost(host)) continue;
      this.#confirmed.add(address.toString());
      this.#components.addressManager.confirmObservedAddr(address, { type: 'transport', ttl: CONFIRMED_MS });
    }
  }

  #reserve(peer: string, observed: string): void {
    this.#isReserving = true;
    this.#options.log('info', `this node is behind a NAT: ${peer} sees it as ${observed}`);
    this.#components.transportManager
      .listen(relayListen(this.#options.hasWebRtc))
      .catch((error: unknown) => this.#options.log('warn', `no relay can be used: ${String(error)}`));
  }

  #settled(address: string, standing: Standing): void {
    const { addressManager } = this.#components;
    const { forwarded, log } = this.#options;
    if (standing === 'reached') {
      forwarded.add(address);
      addressManager.confirmObservedAddr(multiaddr(address), { type: 'observed', ttl: CONFIRMED_MS });
      log('info', `the NAT lets peers in: they reach this node at ${address}`);
    } else {
      forwarded.delete(address);
      addressManager.removeObservedAddr(multiaddr(address));
      log(
        'info',
        `peers cannot reach this node at ${address}: to be reached without a relay, forward that TCP port to it in the router`,
      );
    }
  }
}

function placesOf(listener: Listener): string {
  return listener.getAddrs().join(' ');
}
