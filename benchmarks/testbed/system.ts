/**
 * What a file distribution system must do to run on the test bed. Shoal is one (`shoal-system.ts`); its peers are in
 * `benchmarks/peers`. The order of a run, the same for every system:
 *
 *  1. `prepare`: hashing, making torrents. No clock runs.
 *  2. `startOrigin`, then `startPeer` for each peer that is there at the go signal: every process is up, has what it
 *     needs to begin, and has exchanged nothing with another. What this takes is reported apart as start-up.
 *  3. go: the clock starts, and `go(known)` is called on all peers at once. From here the interfaces are counted.
 *  4. `finished` resolves when the system itself says that it holds the complete file. The test bed takes that
 *     moment, and checks size and SHA-256 of `path` afterwards: a file that is wrong does not count as finished.
 *  5. The namespaces are torn down; whatever runs in them is killed.
 */
import type { Host } from './network.ts';

export interface System {
  /** One word for command lines and tables: `shoal`, `libtorrent`. */
  readonly name: string;
  /**
   * Which version runs, in a few words.
   * @throws Error with a sentence that says what to install, where the system cannot run here
   */
  version(): Promise<string>;
  /** Readies one run. */
  prepare(content: Content, bed: Bed): Promise<Session>;
}

/** The file to be distributed. */
export interface Content {
  /** Absolute path on tmpfs. Only the origin (and seeds) may read it. */
  path: string;
  name: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** Chunk size asked for by the scenario; undefined: the system's own choice. */
  chunkBytes: number | undefined;
}

/** What a run offers to a system. */
export interface Bed {
  /** A folder of the run's own on tmpfs, removed after it. */
  readonly folder: string;
  /** An unshaped host that is never cut, for what a system needs besides its peers (a tracker). */
  readonly services: Host;
  /** Aborts when the run ends, however it ends. */
  readonly signal: AbortSignal;
}

/** One run of a system. */
export interface Session {
  /** Starts a node that has the content; resolves once it is ready to serve. */
  startOrigin(host: Host): Promise<Running>;
  /** Starts a node that has nothing; resolves once it waits for `go`. */
  startPeer(host: Host, options: PeerOptions): Promise<RunningPeer>;
  /** Ends what `prepare` started. Processes in namespaces need no ending. */
  close(): Promise<void>;
}

export interface PeerOptions {
  /** Where the complete file is to be. Its folder exists, is on tmpfs and belongs to this peer. */
  path: string;
  /** Contributes as little as the system allows. */
  freeRider: boolean;
}

/** A started node. */
export interface Running {
  /** Ends its processes at once (kill -9), without a goodbye. Its files stay. */
  kill(): Promise<void>;
}

export interface RunningPeer extends Running {
  /**
   * Begin: fetch the file to `path`. A node that was killed and started again with the same host and options goes on
   * with what its folder holds.
   * @param known the hosts it may be told of: always the origin first, and others where the scenario says so
   */
  go(known: readonly Host[]): void;
  /** Resolves when the system says that the file is complete; rejects when it says that it never will be, or dies. */
  readonly finished: Promise<void>;
}
