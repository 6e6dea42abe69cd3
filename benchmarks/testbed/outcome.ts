import type { Timeline } from './counters.ts';

/** What became of one node in a run. Bytes are whole frames on its interface, after go. */
export interface NodeOutcome {
  name: string;
  group: string;
  role: 'origin' | 'seed' | 'peer';
  freeRider: boolean;
  up: number;
  down: number;
  joinSec: number;
  /** Seconds after go at which the system said it was complete; undefined: never. */
  finishedSec: number | undefined;
  /** The file is there, of the right size and hash. Undefined where nothing claimed to be finished. */
  correct: boolean | undefined;
  /** Why it did not finish, where the system said so. */
  failure: string | undefined;
  sentBytes: number;
  receivedBytes: number;
}

/** One run of one scenario by one system. */
export interface BedOutcome {
  system: string;
  version: string;
  scenario: string;
  run: number;
  fileBytes: number;
  /** From the first process' start until all waited for go. Not part of any other figure. */
  startUpSec: number;
  /** The fluid bound for this scenario's schedule, payload bytes only. */
  boundSec: number;
  /** When the last contributor finished; undefined: not all did. */
  lastSec: number | undefined;
  /** What the origins put on the wire, in files on the wire (file × 1514/1448). */
  originFiles: number;
  /** Moments of the scenario's events, seconds after go; undefined: it never came to it. */
  eventsSec: (number | undefined)[];
  /** After the last heal of a split: seconds until payload crossed between the parts again. */
  crossedAfterSec: number | undefined;
  /** Mean share of the processors that was busy, 0 to 1: near 1 the machine is measured, not the system. */
  cpu: number;
  /** The same, of the system's own processes (those that were up at go). */
  ownCpu: number;
  /** The machine's load average before the run: what others were doing. */
  loadBefore: number;
  delayLineDrops: number;
  notes: readonly string[];
  nodes: NodeOutcome[];
  timeline: Timeline;
}

/** The contributors: what the targets and the bound speak of. */
export function contributors(outcome: Pick<BedOutcome, 'nodes'>): NodeOutcome[] {
  return outcome.nodes.filter((node) => node.role === 'peer' && !node.freeRider);
}

/** When the last contributor had the right file, or undefined where one never had. */
export function lastOf(nodes: readonly NodeOutcome[]): number | undefined {
  const times = contributors({ nodes: [...nodes] }).map((node) =>
    node.correct === true ? node.finishedSec : undefined,
  );
  return times.every((time) => time !== undefined) && times.length > 0 ? Math.max(...times) : undefined;
}

/** Less than this over a trunk after a heal may be old packets and new handshakes; it is two chunks of 64 KiB. */
const CROSSING_BYTES = 128 * 1024;

/**
 * How long after a heal payload crossed between the parts again, from the trunks' counters.
 * @returns seconds, or undefined where it never did
 */
export function crossedAfter(
  timeline: Pick<Timeline, 'atMs' | 'trunks'>,
  healSec: number,
): number | undefined {
  const healMs = healSec * 1000;
  const total = timeline.atMs.map((_, i) => timeline.trunks.reduce((sum, trunk) => sum + (trunk[i] ?? 0), 0));
  const healed = timeline.atMs.findIndex((atMs) => atMs >= healMs);
  if (healed === -1) return undefined;
  const before = total[Math.max(0, healed - 1)] ?? 0;
  const crossed = total.findIndex((bytes, i) => i >= healed && bytes - before >= CROSSING_BYTES);
  return crossed === -1 ? undefined : ((timeline.atMs[crossed] ?? 0) - healMs) / 1000;
}
