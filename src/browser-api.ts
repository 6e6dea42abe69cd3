/**
 * The public shapes of Shoal in a web page. What has the same name in api.ts means the same; what is not here a page
 * cannot do in this version: share, keep anything after a reload, and find others by itself.
 */
import type {
  AssetEntry,
  AssetInfo,
  AssetType,
  LogLevel,
  OpenOptions,
  Progress,
  RateLimits,
  ShoalEvents,
  SourceShare,
  StreamOptions,
} from './api.ts';

/** Settings of a node in a page. Every one has a default. */
export interface PageShoalOptions {
  /** As in `ShoalOptions`. Default `'main'`. */
  network?: string;
  /** Multiaddrs (webrtc-direct; on http and localhost also ws) of nodes to connect to and stay connected to. */
  peers?: readonly string[];
  /**
   * STUN servers (`stun:<host>:<port>`) that tell this page its address outside of its NAT, so that pages behind two
   * different NATs reach each other. They learn this page's address. Default: none.
   */
  stunServers?: readonly string[];
  /**
   * Most bytes that the page keeps, over all assets. They lie in Blobs, which browsers move to the disk when they are
   * many. Default 1 GiB; beyond it `open` and `save` fail with `ERR_NO_SPACE`.
   */
  memoryBytes?: number;
  /** Bytes per second of payload sent, over all peers. Default: no limit. */
  uploadBytesPerSec?: number;
  /** Bytes per second of payload received, over all peers. Default: no limit. */
  downloadBytesPerSec?: number;
  /** Limits of each single peer, within those of the node. Default: none. */
  perPeer?: RateLimits;
  /** Receives what happens inside, one line an event. Default: nothing is logged. */
  log?: (level: LogLevel, message: string) => void;
  /** Ends the start-up early. A running node is ended by `close()`. */
  signal?: AbortSignal;
}

export interface BytesOptions extends StreamOptions {}

export interface SaveBlobOptions {
  /** Path of the file inside a directory asset. */
  path?: string;
  /** Media type of the Blob. Default: none. */
  type?: string;
  /** The longest time without a byte arriving before `ERR_NO_PROVIDERS`. Default 30 000; Infinity: for ever. */
  timeoutMs?: number;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export interface SavedBlob {
  /** The file, every byte of it verified. It stays good when the asset is removed or the node closed. */
  blob: Blob;
  bytes: number;
  durationMs: number;
  /** Verified bytes from each peer in this call, most first. */
  sources: readonly SourceShare[];
}

/** A content-addressed file, directory or link in the swarm, seen from a page. */
export interface PageAsset extends AsyncDisposable {
  readonly cid: string;
  readonly link: string;
  readonly name: string | undefined;
  readonly type: AssetType;
  /** Content bytes of a file, exact and proven. For a directory undefined until its nodes have been fetched. */
  readonly size: number | undefined;
  /** All entries, depth first. Fetches a directory's interior nodes, never content. */
  entries(options?: OpenOptions): AsyncIterable<AssetEntry>;
  /** The content of a file, verified, in order; what the reader needs next comes first. */
  stream(options?: StreamOptions): AsyncIterable<Uint8Array>;
  /** The content of a file, or a part of it, in one piece. */
  bytes(options?: BytesOptions): Promise<Uint8Array>;
  /** Downloads a file, and gives it as a Blob: for a link to click, `showSaveFilePicker`, or `URL.createObjectURL`. */
  save(options?: SaveBlobOptions): Promise<SavedBlob>;
  /** Ends this handle; what is here is served to others until `remove` or `close` of the node. */
  close(): Promise<void>;
}

/** A node in a page. */
export interface PageShoal extends AsyncDisposable {
  /** The node's peer id, base58. A new one each time. */
  readonly id: string;
  /**
   * Finds an asset by CID or `shoal:` link and fetches its root, nothing more.
   *
   * @throws ERR_NO_BROWSER_ADDRESS where nothing in the link, and no peer that was named, can be reached from a page
   */
  open(cidOrLink: string, options?: OpenOptions): Promise<PageAsset>;
  /** Everything this page knows. */
  list(): AsyncIterable<AssetInfo>;
  /** Forgets an asset and what is here of it. */
  remove(cid: string): Promise<void>;
  /** Connects to a node by multiaddr. */
  connect(address: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Changes the limits of the node, and of each single peer; what is left out has no limit from now on. */
  setLimits(limits: RateLimits & { perPeer?: RateLimits }): void;
  addEventListener<K extends keyof ShoalEvents>(
    type: K,
    listener: (event: ShoalEvents[K]) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void;
  /** Says goodbye, waits for nothing longer than a second, releases everything. */
  close(): Promise<void>;
}
