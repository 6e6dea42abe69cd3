import { contributorsOf, fluidBoundMs } from './fluid-bound.ts';
import type { Outcome, PeerOutcome } from './outcome.ts';
import type { Scenario } from './scenario.ts';

/** When some peers were done, as multiples of the fluid bound. Infinity: not before the end of the run. */
export interface Completion {
  readonly peers: number;
  readonly finished: number;
  readonly median: number;
  readonly p95: number;
  readonly last: number;
}

/** The figures of one run. Shares are 0 to 1. */
export interface Report {
  readonly scenario: string;
  readonly seed: number;
  /** The fluid bound of the scenario, ms. */
  readonly boundMs: number;
  readonly endedMs: number;
  readonly contributors: Completion;
  /** The same for each group of peers, by name. */
  readonly groups: Readonly<Record<string, Completion>>;
  /** What origins sent, in file sizes. */
  readonly originFiles: number;
  /**
   * How evenly the work was spread: Jain's index over the contributors' shares of their uplinks' time, which is
   * bytes sent over what the uplink could have sent between joining and the last contributor's finish. 1: all
   * uplinks were equally busy; 1/n: one of n did everything. (Bytes sent over bytes received would punish a fast
   * uplink for being used, and at the bound it must be.)
   */
  readonly fairness: number;
  /** Control bytes over payload bytes sent, of all. */
  readonly controlShare: number;
  /** Payload that arrived at contributors and was of no use, over all that arrived there. */
  readonly wastedShare: number;
  readonly chunksLost: number;
  /** Peers cut off for what they did, by anybody. */
  readonly cutOff: number;
  /** Those who are no contributors: their time from joining over the contributors' median; undefined: there are none. */
  readonly cheats: { readonly median: number; readonly first: number } | undefined;
}

/** The figures of a run. Only from its outcome: nothing is measured here. */
export function reportOf(outcome: Outcome): Report {
  const { scenario, peers } = outcome;
  const boundMs = fluidBoundMs(scenario);
  const waitedFor = contributorsOf(scenario).map((group) => group.name);
  const contributors = peers.filter((peer) => waitedFor.includes(peer.group.name));
  const lastMs = Math.min(outcome.endedMs, Math.max(...contributors.map(doneMs)));
  return {
    scenario: scenario.name,
    seed: outcome.seed,
    boundMs,
    endedMs: outcome.endedMs,
    contributors: completionOf(contributors, boundMs),
    groups: groupsOf(scenario, peers, boundMs),
    originFiles: sum(peers.filter(isOrigin), (peer) => peer.sentBytes) / scenario.fileBytes,
    fairness: jain(contributors.map((peer) => effort(peer, lastMs))),
    controlShare: share(sum(peers, (peer) => peer.controlBytes), sum(peers, (peer) => peer.sentBytes)), // prettier-ignore
    wastedShare: share(sum(contributors, (peer) => peer.wastedBytes), sum(contributors, (peer) => peer.receivedBytes)), // prettier-ignore
    chunksLost: outcome.chunksLost,
    cutOff: new Set(peers.flatMap((peer) => peer.misbehaved.map((other) => other.peer))).size,
    cheats: cheatsOf(peers, contributors),
  };
}

/** Jain's fairness index, (Σx)² / (n Σx²): 1 where all are equal, 1/n where one has all. Nothing at all is fair. */
export function jain(values: readonly number[]): number {
  const total = sum(values, (value) => value);
  const squares = sum(values, (value) => value * value);
  return squares === 0 ? 1 : (total * total) / (values.length * squares);
}

/** The value below or at which a share of the sorted values lie (nearest rank). NaN of none. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? NaN;
}

function groupsOf(
  scenario: Scenario,
  peers: readonly PeerOutcome[],
  boundMs: number,
): Record<string, Completion> {
  const groups = scenario.groups.filter((group) => group.role === 'peer');
  const members = (name: string): PeerOutcome[] => peers.filter((peer) => peer.group.name === name);
  return Object.fromEntries(groups.map(({ name }) => [name, completionOf(members(name), boundMs)]));
}

function completionOf(peers: readonly PeerOutcome[], boundMs: number): Completion {
  const ratios = peers.map((peer) => doneMs(peer) / boundMs);
  return {
    peers: peers.length,
    finished: peers.filter((peer) => peer.completedMs !== undefined).length,
    median: percentile(ratios, 0.5),
    p95: percentile(ratios, 0.95),
    last: percentile(ratios, 1),
  };
}

function cheatsOf(peers: readonly PeerOutcome[], contributors: readonly PeerOutcome[]): Report['cheats'] {
  const cheats = peers.filter(({ group }) => group.role === 'peer' && group.strategy !== 'honest');
  if (cheats.length === 0) return undefined;
  const tookMs = (peer: PeerOutcome): number => doneMs(peer) - peer.joinedMs;
  const usualMs = percentile(contributors.map(tookMs), 0.5);
  const ratios = cheats.map((peer) => tookMs(peer) / usualMs);
  return { median: percentile(ratios, 0.5), first: Math.min(...ratios) };
}

/** How much of its uplink's time a peer gave. */
function effort(peer: PeerOutcome, untilMs: number): number {
  return share(peer.sentBytes, ((untilMs - peer.joinedMs) / 8000) * peer.group.up);
}

function doneMs(peer: PeerOutcome): number {
  return peer.completedMs ?? Infinity;
}

function isOrigin(peer: PeerOutcome): boolean {
  return peer.group.role === 'origin';
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
