/**
 * The public shapes of Shoal. Types only: `createShoal` in `node/create-shoal.ts` makes what they describe.
 * They name no type of any dependency, so that an application's types do not hang on libp2p's.
 */

/** Whatever can be shared besides a path. */
export type ShareSource =
  string | URL | Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Settings of a node. Every one has a default. Here and wherever there are options, one that is not known, or of another type,
 * is refused (`ERR_OPTION`), and `null` is as good as left out. Methods take those of other methods too, to no effect.
 */
export interface ShoalOptions {
  /** Folder for identity, index and partial downloads. Default: `$SHOAL_DATA`, else `shoal` in the user's data folder. */
  dataDir?: string;
  /**
   * Multiaddrs to listen on. Default `['/ip4/0.0.0.0/tcp/0']`, and `/ip6/::/tcp/0` beside it where the machine has no
   * IPv4 but on loopback; `[]` listens nowhere. Port 0 is any free one, and the same one again after a restart where it is
   * still free.
   */
  listen?: readonly string[];
  /**
   * Web pages can fetch from this node: it also listens on free ports of webrtc-direct and WebSocket, at each host of
   * `listen` that has TCP, and links name those addresses. Listening addresses that end in `/webrtc-direct` or `/ws` can
   * be named in `listen` too, with or without this. Takes some 12 MB of memory before the first page comes. Default false.
   */
  web?: boolean;
  /**
   * Pages and nodes that nobody can dial are found through this node, and then connect to each other directly: it passes
   * on what they need for that, and no files. Default: where this node serves pages, within the bounds of
   * {@link RelayBounds}; `false` never, `true` or bounds also where it serves none.
   */
  relay?: boolean | RelayBounds;
  /**
   * STUN servers (`stun:<host>:<port>`) that tell this node its address outside of its NAT, so that it and pages behind
   * other NATs reach each other over WebRTC. They learn this node's address. Only for nodes that serve pages. Default: none.
   */
  stunServers?: readonly string[];
  /** Name of the network: nodes of different networks never talk. 1–64 of `a–z 0–9 . _ -`. Default `'main'`. */
  network?: string;
  /** Multiaddrs (with or without `/p2p/<id>`) of peers to connect to and stay connected to. */
  peers?: readonly string[];
  /** Multiaddrs of nodes through which others are found (DHT). Stayed connected to, too. */
  bootstrap?: readonly string[];
  /** Find peers on the local network by multicast DNS. Default true. */
  mdns?: boolean;
  /** Take part in the network's DHT. Default true. */
  dht?: boolean;
  /** Bytes per second of payload sent, over all peers. Default: no limit. */
  uploadBytesPerSec?: number;
  /** Bytes per second of payload received, over all peers. Default: no limit. */
  downloadBytesPerSec?: number;
  /** Limits of each single peer, within those of the node. Default: none. */
  perPeer?: RateLimits;
  /**
   * All peers of the network belong to one owner: whoever has least is served first, whoever gave what. Ends
   * sooner where uplinks differ, and gives free-riders as much as anybody. Set it on every node. Default false.
   */
  fleet?: boolean;
  /**
   * Stop giving what this node shares once 1.05 times its size has gone out since the node started and all of it is
   * with connected peers. It goes on where a part vanishes again, and for a peer that gets nothing elsewhere for
   * 30 s. Costs the swarm some time, and saves this node's uplink. Default false.
   */
  offload?: boolean;
  /**
   * Records everything that the exchange takes in and decides into this file, which must not exist yet: JSON lines,
   * about 1 MB for 100 MB transferred. `replayTrace` of `shoal/simulator` plays it again. It holds the ids and
   * addresses of peers (no keys, no content), so look at it before you pass it on. Default: nothing is recorded.
   */
  trace?: string;
  /** Receives what happens inside, one line an event. What it throws is uncaught, as of a listener. Default: nothing is logged. */
  log?: (level: LogLevel, message: string) => void;
  /** Ends the start-up early. A running node is ended by `close()`. */
  signal?: AbortSignal;
}

/** How much a node relays for others. */
export interface RelayBounds {
  /** Peers that can be reached through it at once. Default 256. */
  peers?: number;
  /** Bytes of each relayed connection, both ways together. Default 1 MiB: two peers find each other with some 20 KB. */
  connectionBytes?: number;
  /** How long a relayed connection may last. Default 120 000. */
  connectionMs?: number;
}

/** Most payload each way in bytes per second; left out or undefined: no limit. */
export interface RateLimits {
  uploadBytesPerSec?: number | undefined;
  downloadBytesPerSec?: number | undefined;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface ShareOptions {
  /** Name to give in the link. Default: the path's last part. */
  name?: string;
  /** Bytes of a chunk, a power of two from 1 KiB to 1 MiB. Default by file size: `clamp(pow2ceil(size / 1024), 64 KiB, 1 MiB)`. */
  chunkSize?: number;
  /** Called now and then with the bytes hashed so far and, where known, the total. */
  onProgress?: (progress: { bytes: number; total: number | undefined }) => void;
  signal?: AbortSignal;
}

/** What `share` gives back. */
export interface Shared {
  /** CIDv1 of the asset, base32. */
  cid: string;
  /** `shoal:<cid>?n=<name>&a=<multiaddr>…`: everything another node needs. */
  link: string;
  name: string | undefined;
  /** Content bytes of all files. */
  bytes: number;
  /** The path served in place, or undefined where the content was taken into the data folder. */
  path: string | undefined;
}

export type AssetType = 'file' | 'directory' | 'symlink';

/** One line of `list()`. */
export interface AssetInfo {
  cid: string;
  name: string | undefined;
  type: AssetType;
  /** Content bytes; undefined while only the root is known. */
  bytes: number | undefined;
  /** Bytes of it that are here and verified. What recurs in it counts once, so that it may be less than `bytes` where all is here. */
  bytesHere: number;
  /** `shared`: published here; `complete`: fetched whole; `partial`: a download under way or interrupted. */
  state: 'shared' | 'complete' | 'partial';
  /** Where the content is (or is to be), undefined where it is inside the data folder. */
  path: string | undefined;
}

export interface AssetEntry {
  type: AssetType;
  /** Path below the asset's root with `/` between its parts; `''` for a file asset itself. */
  path: string;
  /** Content bytes, 0 for a directory or link. */
  size: number;
  /** The text of a symbolic link. */
  target?: string;
}

/** How far a download is, and where its bytes came from. */
export interface Progress {
  /**
   * Verified bytes here, of what is saved or streamed: of an asset, of one of its files, or of a part of that, in whole chunks. What
   * recurs in it counts once.
   */
  bytes: number;
  /** Bytes of it in all, counted likewise once all nodes are known; before that the size of a file, and 0 for a directory. */
  total: number;
  /** Peers connected for this asset. */
  peers: number;
  /** Verified bytes received since `save` or `stream` began, by peer, most first. */
  sources: readonly SourceShare[];
  /** Bytes per second over the last seconds. */
  bytesPerSec: number;
  /**
   * What is going on: re-checking what an interrupted download left, looking for somebody who has it, or fetching; in a page
   * also writing what is here to where a person picked (`to`).
   */
  phase: 'checking' | 'searching' | 'fetching' | 'writing' | 'done';
}

export interface SourceShare {
  peer: string;
  bytes: number;
}

export interface OpenOptions {
  /** How long to look for somebody who has it before `ERR_NO_PROVIDERS`, whose `tried` says what was tried. Default 30 000; Infinity: for ever. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface StreamOptions {
  /** Path of the file inside a directory asset. */
  path?: string;
  /** First byte. Default 0. */
  offset?: number;
  /** Bytes to read. Default: to the end. */
  length?: number;
  /** As in {@link OpenOptions}: the longest time without a byte arriving. Default 30 000. */
  timeoutMs?: number;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export interface SaveOptions {
  /** Replace what is at the target. Default false: `ERR_TARGET_EXISTS`, but for this very asset as it was saved or shared there. */
  force?: boolean;
  /** The longest time without a byte arriving before `ERR_NO_PROVIDERS`. Default 30 000; Infinity: for ever. */
  timeoutMs?: number;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export interface Saved {
  /** Absolute path of what was written. */
  path: string;
  /** Content bytes of all files. */
  bytes: number;
  durationMs: number;
  /** Verified bytes from each peer in this call, most first. */
  sources: readonly SourceShare[];
}

/** A content-addressed file, directory or link, here or in the swarm. */
export interface Asset extends AsyncDisposable {
  readonly cid: string;
  readonly link: string;
  /** As the link says, which anybody may have written: take no more of it than `basename` leaves for a path. */
  readonly name: string | undefined;
  readonly type: AssetType;
  /** Content bytes of a file, exact and proven. For a directory undefined until `entries` or `save` has fetched its nodes. */
  readonly size: number | undefined;
  /** All entries, depth first. Fetches a directory's interior nodes, never content. */
  entries(options?: OpenOptions): AsyncIterable<AssetEntry>;
  /**
   * The content of a file, verified, in order. What the reader needs next, at the speed at which it reads, comes first, the
   * rest of the range rarest first; end the loop to go elsewhere. Several may be read at once.
   */
  stream(options?: StreamOptions): AsyncIterable<Uint8Array>;
  /**
   * Downloads everything to `path`, which appears only when every byte has been verified. An interrupted save
   * goes on where it stopped. While it runs and after it, the asset is served to others.
   */
  save(path: string, options?: SaveOptions): Promise<Saved>;
  /** Ends this handle; what is here stays and is served until `remove` or `close` of the node. */
  close(): Promise<void>;
}

/** What `verify` found for one asset. */
export interface VerifyReport {
  cid: string;
  name: string | undefined;
  path: string | undefined;
  /** Bytes that are what they should be. */
  bytesGood: number;
  /** Bytes checked and found wrong, or missing although they were recorded as here. */
  bytesBad: number;
  /** A sentence for each thing that is wrong, naming the file. At most 100. */
  problems: readonly string[];
}

export interface VerifyOptions {
  onProgress?: (progress: { bytes: number; total: number }) => void;
  signal?: AbortSignal;
}

export interface ShoalEvents {
  /** The node can be reached at other addresses than before. */
  'addresses:change': CustomEvent<{ addresses: readonly string[] }>;
  'peer:connect': CustomEvent<{ peer: string }>;
  'peer:disconnect': CustomEvent<{ peer: string }>;
  /** A peer lied or broke the protocol, and was cut off. */
  'peer:misbehaved': CustomEvent<{ peer: string; code: string; message: string }>;
  /**
   * A chunk of a download arrived, was verified and stored: which of how many (they are numbered in the order of the
   * content, each different one once), and from whom.
   */
  'asset:chunk': CustomEvent<{ cid: string; chunk: number; chunks: number; bytes: number; peer: string }>;
  /** A download is complete, verified and at its place. */
  'asset:complete': CustomEvent<{ cid: string; path: string | undefined; bytes: number }>;
  /** A shared original changed or vanished, and is no longer served until it is what it was; or a disk failed. */
  'asset:error': CustomEvent<{ cid: string; code: string; message: string }>;
  /** Bytes of an asset sent to a peer: a sum for each asset and peer, every 250 ms at most. */
  'asset:upload': CustomEvent<{ cid: string; peer: string; bytes: number }>;
}

/** A node of the swarm. */
export interface Shoal extends AsyncDisposable {
  /** The node's peer id, base58. It stays the same for a data folder. */
  readonly id: string;
  readonly dataDir: string;
  /** Multiaddrs with `/p2p/<id>` under which this node can be dialled. */
  readonly addresses: readonly string[];
  /** Publishes a path (served in place, never modified), or content (taken into the data folder). */
  share(source: ShareSource, options?: ShareOptions): Promise<Shared>;
  /** Finds an asset by CID or `shoal:` link and fetches its root, nothing more. */
  open(cidOrLink: string, options?: OpenOptions): Promise<Asset>;
  /** Everything the data folder knows. */
  list(): AsyncIterable<AssetInfo>;
  /**
   * Serves everything the data folder knows that is not yet served, and goes back to the peers of its swarms from earlier
   * runs; resolves when whoever is connected can have it. The DHT is told meanwhile.
   */
  seed(options?: { signal?: AbortSignal }): Promise<{ assets: number }>;
  /**
   * Forgets an asset and deletes what the data folder holds of it. Never deletes a shared original or a saved copy. Waits for a
   * `save` of it that is under way; `signal` ends the wait, and nothing is removed then.
   */
  remove(cid: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Re-reads and re-hashes what is on disk, of one asset or of all. */
  verify(cid?: string, options?: VerifyOptions): AsyncIterable<VerifyReport>;
  /**
   * Connects to a peer by multiaddr.
   *
   * @throws ERR_INVALID_MULTIADDR, ERR_PEER_UNREACHABLE (after ten seconds at the latest)
   */
  connect(address: string, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Changes the limits of the node, and of each single peer, while it runs. What is left out has no limit from now on.
   * Those of assets stay.
   *
   * @throws ERR_LIMIT
   */
  setLimits(limits: RateLimits & { perPeer?: RateLimits }): void;
  /**
   * Changes the limits of one asset, within those of the node, while the node runs; it need not be known yet. What is
   * left out has no limit from now on.
   *
   * @throws ERR_LIMIT, ERR_INVALID_CID
   */
  setAssetLimits(cid: string, limits: RateLimits): void;
  addEventListener<K extends keyof ShoalEvents>(
    type: K,
    listener: (event: ShoalEvents[K]) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void;
  /** Says goodbye, waits for nothing longer than a second, releases everything. */
  close(): Promise<void>;
}

/** What `inspect` takes besides the path. */
export interface InspectOptions {
  /** As in {@link ShareOptions}. */
  chunkSize?: number;
  /** Called with the bytes hashed so far. */
  onProgress?: (progress: { bytes: number }) => void;
  signal?: AbortSignal;
}

/** What `inspect` tells of a path without sharing it. */
export interface Inspection {
  cid: string;
  type: AssetType;
  bytes: number;
  /** Chunk size used for a file; undefined for a directory, where each file has its own. */
  chunkSize: number | undefined;
  chunks: number;
  nodes: number;
  /** The `ipfs add` command that gives the same CID, or undefined where none does, with `note` saying why. */
  ipfsAdd: string | undefined;
  note: string | undefined;
}
