import { networkInterfaces } from 'node:os';
import type { PeerDiscovery, PeerInfo, Startable } from '@libp2p/interface';
import { mdns, type MulticastDNSComponents } from '@libp2p/mdns';
import { isPrivate } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { letExit } from '../swarm/let-exit.ts';
import { hostOf, isOwnHost } from './ip-host.ts';

/** How often the local network is asked. Peers answer in milliseconds; the interval is for those that come later. */
const MDNS_INTERVAL_MS = 10_000;

/** Who heard somebody ask has no need to for so long: a little less than the interval, so that whoever asked last goes on. */
const HEARD_MS = 9000;

/** But asks this often all the same: those who hear one another may not hear all others. */
const ALL_THE_SAME_MS = 300_000;

/** Network cards come and go, and nothing tells of it; a look takes a fraction of a millisecond. */
const LOOK_MS = 5000;

/** The mDNS service of a network. A label of DNS is at most 63 bytes, so a long name is cut; HELLO tells the rest apart. */
function mdnsService(network: string): string {
  return `_shoal-${network.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 48)}._udp.local`;
}

/** Hears nodes of a network on the local network, and is heard by them. @param onPeer one was heard, now and again */
export function localDiscovery(
  network: string,
  onPeer: (peer: PeerInfo) => void,
): (components: MulticastDNSComponents) => PeerDiscovery {
  const service = mdnsService(network);
  const make = mdns({ serviceTag: service, interval: MDNS_INTERVAL_MS });
  return (components) => {
    const discovery = make(components) as PeerDiscovery & Startable & { mdns?: Asking & Answering };
    const addresses = (): Multiaddr[] => components.addressManager.getAddresses();
    discovery.addEventListener('peer', (event) => onPeer(event.detail));
    const start = discovery.start.bind(discovery);
    discovery.start = async () => {
      await start();
      if (!discovery.mdns) return;
      askTogether(discovery.mdns, service);
      tellOfOwnCards(discovery.mdns, addresses);
    };
    listenAnew(discovery);
    return discovery;
  };
}

/** What {@link askTogether} works with: a socket of `multicast-dns`. */
export interface Asking {
  query(question: { questions: { name: string; type: string }[] }): void;
  on(event: 'query', listener: (query: { questions: { name: string }[] }) => void): void;
}

/**
 * Has nodes ask one for all, since everybody hears the answers (RFC 6762, 7.3). Each that asked by itself had all others
 * answer, to everybody: three nodes at rest sent fifty times as much so as over their connections, and it grew with the
 * square of their number, by multicast, which is the slowest there is on a wireless network.
 *
 * @param nowMs of any steady clock
 */
export function askTogether(asking: Asking, service: string, nowMs = (): number => performance.now()): void {
  let heardAtMs = -Infinity;
  // It has just asked.
  let askedAtMs = nowMs();
  asking.on('query', ({ questions }) => {
    if (questions[0]?.name === service) heardAtMs = nowMs();
  });
  const ask = asking.query.bind(asking);
  asking.query = (question) => {
    const isHeard = nowMs() - Math.max(heardAtMs, askedAtMs) < HEARD_MS;
    if (isHeard && nowMs() - askedAtMs < ALL_THE_SAME_MS) return;
    askedAtMs = nowMs();
    ask(question);
  };
}

/** What {@link tellOfOwnCards} works with: a socket of `multicast-dns`. */
export interface Answering {
  respond(answers: Answer[]): void;
}

interface Answer {
  name: string;
  type: string;
  class: string;
  ttl: number;
  data: string;
}

/** What a TXT record holds. */
const MAX_TEXT_BYTES = 255;

/**
 * Has a node answer with the public addresses of its network cards, too. `@libp2p/mdns` leaves these out, so that on a local
 * network that has no other ones, as at many universities, nobody was found. Those of a router or a relay are not of it.
 *
 * @param addresses the node's
 * @param isOwn whether a card has the IP address. Default: as the system tells
 */
export function tellOfOwnCards(
  answering: Answering,
  addresses: () => readonly Multiaddr[],
  isOwn: (host: string) => boolean = isOwnHost,
): void {
  const respond = answering.respond.bind(answering);
  answering.respond = (answers) => {
    const [first] = answers;
    if (!first) return respond(answers);
    const left = addresses().filter((address) => {
      const host = isPrivate(address) ? undefined : hostOf(address);
      return host !== undefined && isOwn(host);
    });
    const texts = left.map((address) => `dnsaddr=${address.toString()}`);
    const more = texts
      .filter((text) => text.length <= MAX_TEXT_BYTES)
      .map((data) => ({ ...first, name: first.data, type: 'TXT', data }));
    respond([...answers, ...more]);
  };
}

/** What {@link listenAnew} takes. */
export interface ListenAnewOptions {
  /** The network cards as they are, in any form. Default: as the system tells of them. */
  cards?: () => string;
  /** How often they are looked at. Default: 5,000 ms. */
  lookMs?: number;
}

/**
 * Has mDNS begin anew when the network cards are others. A socket hears the group on those cards on which it joined it, and
 * `multicast-dns` remembers by its address alone where it has: on a card that came back with the same one (a dock, a USB or
 * virtual one) it neither heard anybody nor was heard until the process was started again.
 */
export function listenAnew(
  discovery: Startable,
  { cards = cardsNow, lookMs = LOOK_MS }: ListenAnewOptions = {},
): void {
  const start = discovery.start.bind(discovery);
  const stop = discovery.stop.bind(discovery);
  let seen = '';
  let timer: NodeJS.Timeout | undefined;
  let turn = Promise.resolve();
  const look = async (): Promise<void> => {
    const now = cards();
    if (timer === undefined || now === seen) return;
    seen = now;
    await stop();
    await start();
  };
  discovery.start = async () => {
    seen = cards();
    timer = setInterval(() => {
      turn = turn.then(look).catch(() => {});
    }, lookMs);
    letExit(timer);
    await start();
  };
  discovery.stop = async () => {
    clearInterval(timer);
    timer = undefined;
    await turn;
    await stop();
  };
}

function cardsNow(): string {
  return JSON.stringify(networkInterfaces());
}
