/**
 * What happens in a simulated world, and on the network test bed: the same scenarios run on both, so that what is
 * simulated can be held against what is real. `parse-scenario.ts` reads them from files.
 */
export interface Scenario {
  name: string;
  /** A sentence for the table's reader. */
  about?: string | undefined;
  /** Size of the asset, bytes. */
  fileBytes: number;
  /** Bytes of a chunk. Default: as an import chooses, `clamp(pow2ceil(fileBytes / 1024), 64 KiB, 1 MiB)`. */
  chunkBytes?: number | undefined;
  network: NetworkModel;
  groups: readonly Group[];
  /** In any order; each happens once. */
  events: readonly ScenarioEvent[];
  /** The run ends at the latest after so many seconds. */
  limitSec: number;
}

/** The paths between the peers. Uplinks and downlinks belong to the groups. */
export interface NetworkModel {
  /** Round trips, ms: drawn evenly from here, once for each pair. On the test bed one value: the delay line. */
  rttMs: readonly [least: number, most: number];
  /** Share of TCP segments that are lost besides those that full queues drop, 0 to 1. Simulator only. */
  loss: number;
  /** TCP's slow start, window and recovery. Without it a link sends at the uplink's speed at once. Simulator only. */
  tcp: boolean;
  /** A measured round trip is wrong by up to this share either way. Simulator only. */
  rttError: number;
  /** The first round trip of a link is known so late, ms. Simulator only. */
  rttLateMs: number;
  /** Whether a node's chunks leave its uplink one after another (a paced uplink), or all links share it (its sockets). */
  uplink: 'fifo' | 'shared';
  /**
   * Where links share the uplink: what leaves a node goes out behind so much of its chunks, ms, in the modem or before it.
   * On the test bed 100. Messages on a link wait for the chunks in its own socket besides.
   */
  queueMs: number;
  /**
   * Whether what surrounds bytes on the wire takes an uplink's time too: headers of segments and records, acknowledgements,
   * and a packet for each message, or few. Without it only the bytes of chunks do, as in the fluid bound. The test bed's
   * wires are real.
   */
  headers: boolean;
  /** Who knows whom at the go signal: all know the origin, or each knows `degree` random others as well. */
  meet: 'origin' | 'random';
}

/** How a simulated peer plays. Only `honest` and `free-rider` exist on the test bed. */
export type Strategy =
  | 'honest'
  /** Grants nothing. */
  | 'free-rider'
  /** Grants nothing, and comes back under a new name as soon as it is given nothing. */
  | 'whitewash'
  /** Grants nothing, and links with everybody it hears of. */
  | 'many-links'
  /** Contributes, but never says what it has gained, so that it seems to need everything. */
  | 'hidden-haves'
  /** Contributes nothing and claims to have everything: it grants, and never delivers. */
  | 'false-haves'
  /** Grants a tenth of what it is given. */
  | 'minimal'
  /** Sends chunks that are wrong. */
  | 'liar';

/** Peers that are alike. */
export interface Group {
  name: string;
  count: number;
  /** `origin` published the asset; a `seed` has all of it; a `peer` has nothing of it. */
  role: 'origin' | 'seed' | 'peer';
  /** Bits per second. */
  up: number;
  down: number;
  strategy: Strategy;
  /** Peers join evenly spread over this time, seconds after the go signal. */
  joinSec: readonly [from: number, to: number];
  /** Leaves when it has everything, without a goodbye. */
  leavesWhenDone: boolean;
  /** Bytes per second that its disk writes; Infinity: at once. Simulator only. */
  diskBytesPerSec: number;
  /** Is there for `upSec` on the average and away for `downSec` (both drawn from an exponential distribution), keeping what it has. */
  churn?: { readonly upSec: number; readonly downSec: number } | undefined;
  /** `offload`: this origin stops when it has sent 1.05 times the file. `fleet`: ranks by progress alone. */
  mode: 'normal' | 'offload' | 'fleet';
}

/** When something happens: so long after the go signal, or when the origins have sent so many times the file. */
export type Moment = { readonly atSec: number } | { readonly originSent: number };

export type ScenarioEvent =
  /** The groups' links go down, with no goodbye, and come up again after `forSec` where that is given. */
  | { type: 'cut'; when: Moment; groups: readonly string[]; forSec?: number | undefined }
  /** The network falls into parts that do not reach each other, for `forSec`. Each part: group names; the rest is one more. */
  | { type: 'split'; when: Moment; parts: readonly (readonly string[])[]; forSec: number };
