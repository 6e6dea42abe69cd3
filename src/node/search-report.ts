import type { DialFailure, SearchAttempt } from '../errors.ts';
import { failureOf } from './dial-failure.ts';
import type { DhtSearch } from './dht-search.ts';
import type { DialTarget } from './dial-target.ts';
import { searchHints } from './search-hints.ts';

/** Failures told of each way; a link has a handful of addresses, and the others are like them. */
const MAX_FAILURES = 8;

/** Failures named in the line for people. */
const MAX_NAMED = 3;

/** Everything that {@link attemptsOf} tells of. */
export interface SearchState {
  /** Targets of the link and of earlier runs. */
  targets: readonly DialTarget[];
  /** Peers that were named for the node. */
  named: readonly DialTarget[];
  /** Undefined: switched off. */
  dht: DhtSearch | undefined;
  /** Nodes of the DHT that are connected. */
  dhtPeers: number;
  /** Nodes heard on the local network; undefined: switched off. */
  localPeers: number | undefined;
  /** Whether a peer that is, or was, connected is of this network. */
  isForeign: (peer: string) => boolean;
  isConnected: (peer: string) => boolean;
  swarm: SwarmState;
}

/** How the asset's swarm looks from here. */
export interface SwarmState {
  /** Nodes connected at all, and those that have something of the asset. */
  connected: number;
  members: number;
  /** Peers that took part in the swarm and are gone. */
  left: number;
  /** Peers that had a chunk and could not read it when they were asked: their file changed, or their disk failed. */
  failed: readonly string[];
}

/** What was tried, one entry for each way there is, in the order of promise. */
export function attemptsOf(state: SearchState): SearchAttempt[] {
  const of = (way: DialTarget['way']): DialTarget[] => state.targets.filter((target) => target.way === way);
  return [
    dialled(state, 'link', of('link'), 'the link names no addresses'),
    dialled(state, 'peers', state.named, searchHints.noPeersNamed),
    dialled(state, 'earlier', of('earlier'), 'no peers of it are known from earlier'),
    swarmAttempt(state.swarm),
    dhtAttempt(state),
    mdnsAttempt(state.localPeers),
  ];
}

/** What would help, as the end of a sentence. */
export function hintOf(state: SearchState): string {
  if (state.swarm.failed.length > 0) {
    return 'a peer that had it can no longer read it, so that its file may have changed: ask its publisher to share it again';
  }
  if (state.swarm.left > 0 && state.swarm.members === 0) {
    return 'everybody who had it has left: try again when they are back, what is here is kept';
  }
  const link = state.targets.filter((target) => target.way === 'link');
  if (link.length > 0 && !link.some((target) => target.isReached)) {
    const failures = link.flatMap((target) => [...target.failures.values()]);
    if (failures.some(({ reason }) => reason === 'wrong-certificate'))
      return 'the link leads to a node with a new certificate now: ask for a new one';
    return searchHints.deadLink;
  }
  return searchHints.findOthers;
}

const WAY_TEXTS = {
  link: "the link's peers",
  peers: 'named peers and bootstrap nodes',
  earlier: 'peers of it from earlier',
};

function dialled(
  state: SearchState,
  way: DialTarget['way'],
  targets: readonly DialTarget[],
  none: string,
): SearchAttempt {
  if (targets.length === 0) return { way, text: none, tried: 0, reached: 0, failures: [] };
  const failures = targets.flatMap((target) => failuresOf(target, state.isForeign));
  const reached = targets.filter(({ isReached, peer }) => isReached && !isForeignPeer(state, peer)).length;
  const pending = targets.filter((target) => !target.isReached && target.failures.size === 0).length;
  const parts = [`reached ${reached} of ${targets.length}`];
  if (pending > 0) parts.push(`${pending} had not answered yet`);
  const named = failures.slice(0, MAX_NAMED).map(({ address, message }) => `${address}: ${message}`);
  if (failures.length > MAX_NAMED) named.push(`and ${failures.length - MAX_NAMED} addresses more`);
  const text = `${WAY_TEXTS[way]}: ${[...parts, ...named].join('; ')}`;
  return { way, text, tried: targets.length, reached, failures: failures.slice(0, MAX_FAILURES) };
}

function isForeignPeer(state: SearchState, peer: string | undefined): boolean {
  return peer !== undefined && state.isForeign(peer);
}

function failuresOf(target: DialTarget, isForeign: (peer: string) => boolean): DialFailure[] {
  const { peer, isReached, addresses } = target;
  if (isReached && peer !== undefined && isForeign(peer))
    return [failureOf(addresses[0] ?? '', 'other-network')];
  return [...target.failures.values()];
}

function swarmAttempt({ connected, members, left, failed }: SwarmState): SearchAttempt {
  const parts = [`asked ${count(connected, 'connected peer')}, ${members} of them in its swarm`];
  if (left > 0) parts.push(`${count(left, 'peer')} of it left meanwhile`);
  if (failed.length > 0) parts.push(`${failed.slice(0, MAX_NAMED).join(', ')} could no longer read it`);
  return { way: 'swarm', text: parts.join('; '), tried: connected, reached: members, failures: [] };
}

function dhtAttempt({ dht, dhtPeers, isConnected }: SearchState): SearchAttempt {
  const attempt = (text: string, tried: number, reached: number): SearchAttempt => ({
    way: 'dht',
    text: `DHT: ${text}`,
    tried,
    reached,
    failures: [],
  });
  if (!dht) return attempt(searchHints.unused, 0, 0);
  if (dht.asked.size === 0 && dhtPeers === 0) return attempt('no node of it is known', 0, 0);
  const up = [...dht.providers].filter(isConnected).length;
  const found =
    dht.providers.size === 0
      ? 'none knows who has it'
      : `${count(dht.providers.size, 'provider')} named, ${up} of them connected`;
  const { asked, answered } = dht;
  return attempt(
    `asked ${count(asked.size, 'node')}, ${answered.size} answered, ${count(dht.walks, 'search', 'searches')}; ${found}`,
    asked.size,
    answered.size,
  );
}

function mdnsAttempt(heard: number | undefined): SearchAttempt {
  const text = heard === undefined ? searchHints.unused : `heard ${count(heard, 'node')}`;
  return {
    way: 'mdns',
    text: `local network: ${text}`,
    tried: heard ?? 0,
    reached: heard ?? 0,
    failures: [],
  };
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
