import type { Group, Scenario } from './scenario.ts';

/** What became of one peer (or one origin or seed) in a run. */
export interface PeerOutcome {
  readonly name: string;
  readonly group: Group;
  /** Milliseconds after the go signal. */
  joinedMs: number;
  /** When it had everything; undefined: never. */
  completedMs: number | undefined;
  /** Payload bytes that left its uplink. */
  sentBytes: number;
  /** Payload bytes that arrived, whatever they were good for. */
  receivedBytes: number;
  /** Bytes of control messages sent, encoded as on the wire. */
  controlBytes: number;
  /** Payload bytes that arrived although the chunk was here already, or that did not verify. */
  wastedBytes: number;
  /** Names of the peers it cut off, with the code of what they did. */
  readonly misbehaved: { peer: string; code: string; atMs: number }[];
  /** Links at its end, or at the end of the run. */
  links: number;
}

/** How far the run was at a moment. */
export interface Sample {
  atMs: number;
  /** Mean share of the file that the peers (not free-riders) held, 0 to 1. */
  progress: number;
  /** Peers (not free-riders) that had everything. */
  complete: number;
  /** Payload bytes that the origins had sent. */
  originBytes: number;
}

/** Everything a run tells; reports are made from it. The same scenario and seed give the same outcome. */
export interface Outcome {
  readonly scenario: Scenario;
  readonly seed: number;
  /** Hash over everything that all cores did, in order. */
  traceHash: string;
  endedMs: number;
  peers: readonly PeerOutcome[];
  /** About a hundred, evenly spread. */
  timeline: readonly Sample[];
  /** Chunks that no peer (and no origin that can be reached) held at the end, though somebody wanted them. */
  chunksLost: number;
  /** Moments (ms) at which each of the scenario's events happened, in their order; undefined: it never did. */
  eventsMs: readonly (number | undefined)[];
}

/** Settings of a run besides its scenario. */
export interface RunOptions {
  /** Names the run together with its scenario. Any 32-bit number. */
  seed: number;
  /** Ends the run with its reason: `simulate` gives way to other work now and then. */
  signal?: AbortSignal | undefined;
}
