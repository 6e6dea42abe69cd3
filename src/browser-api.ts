/**
 * The public shapes of Shoal in a web page. What has the same name in api.ts means the same; what is not here a page
 * cannot do in this version: find others of its own accord.
 */
import type {
  AssetEntry,
  AssetInfo,
  AssetType,
  LogLevel,
  OpenOptions,
  Progress,
  RateLimits,
  ShareOptions,
  ShoalEvents,
  SourceShare,
  StreamOptions,
  VerifyOptions,
  VerifyReport,
} from './api.ts';

/** Settings of a node in a page. Every one has a default. */
export interface PageShoalOptions {
  /** As in `ShoalOptions`. Default `'main'`. */
  network?: string;
  /** Multiaddrs (webrtc-direct, wss, WebRTC through a relay; on http and localhost also ws) of nodes to connect to and stay connected to. */
  peers?: readonly string[];
  /**
   * STUN servers (`stun:<host>:<port>`) that tell this page its address outside of its NAT, so that pages behind two
   * different NATs reach each other. They learn this page's address. Default: none.
   */
  stunServers?: readonly string[];
  /**
   * Where what is fetched lies. `auto`: in files of this site (OPFS), else in its IndexedDB; it is there again after a
   * reload, and an interrupted download goes on. Memory where the browser has neither, or another page of the site has
   * them. `memory`: always memory, and gone with the page. Default `'auto'`.
   */
  storage?: 'auto' | 'memory';
  /**
   * Ask the browser, when the first download begins, not to delete what is kept here when space runs short. Some
   * browsers then ask the person. Default false.
   */
  persist?: boolean;
  /**
   * Most bytes that the page keeps in memory, over all assets, where it keeps them there. They lie in Blobs, which browsers
   * move to the disk when they are many. Default 1 GiB; beyond it `open` and `save` fail with `ERR_NO_SPACE`.
   */
  memoryBytes?: number;
  /** Bytes per second of payload sent, over all peers. Default: no limit. */
  uploadBytesPerSec?: number;
  /** Bytes per second of payload received, over all peers. Default: no limit. */
  downloadBytesPerSec?: number;
  /** Limits of each single peer, within those of the node. Default: none. */
  perPeer?: RateLimits;
  /** Receives what happens inside, one line an event. What it throws is uncaught, as of a listener. Default: nothing is logged. */
  log?: (level: LogLevel, message: string) => void;
  /** Ends the start-up early. A running node is ended by `close()`. */
  signal?: AbortSignal;
}

export interface BytesOptions extends StreamOptions {}

/**
 * A file or folder that a person picked (`showOpenFilePicker`, `showDirectoryPicker`) or dropped (`getAsFileSystemHandle`).
 * What is shared from these alone can be shared again after a reload: `shareAgain`.
 */
export type PickedHandle = FileSystemFileHandle | FileSystemDirectoryHandle;

/** A file with its path in what is shared, `/` between its parts. */
export interface PageFile {
  path: string;
  file: Blob | FileSystemFileHandle;
}

/** What a page can share: what a person chose, dropped, or the page made. A `FileList` does not tell of empty folders; a handle does. */
export type PageShareSource = Blob | Uint8Array | PickedHandle | Iterable<File | PageFile | PickedHandle>;

export interface ShareAgainOptions {
  /** Only this asset. Default: all. */
  cid?: string;
  /**
   * Ask the person where the browser wants to be allowed anew to read the files. Call it so in the handler of a click or a key,
   * or the browser does not ask. Default false.
   */
  ask?: boolean;
  signal?: AbortSignal;
}

/** What became of something that was shared from handles. */
export interface SharedAgain {
  cid: string;
  name: string | undefined;
  /** Content bytes. */
  bytes: number;
  /**
   * `shared`: it is served. `permission`: the person has to allow it (`ask`). `changed`: it is no longer what was shared; share
   * `source` for a link to what it is now. `gone`: a file is no longer there.
   */
  state: 'shared' | 'permission' | 'changed' | 'gone';
  /** What is wrong, for people; undefined where it is shared. */
  problem: string | undefined;
  /** What it was shared from. */
  source: readonly PickedHandle[];
}

/** Where a page keeps what it fetches. */
export interface PageStorage {
  kind: 'opfs' | 'indexeddb' | 'memory';
  /** Why it is nothing better: another page has it, the browser lacks it … Undefined: it is what was asked for. */
  why: string | undefined;
  /** Bytes that this site keeps in the browser in all, and may keep at most; undefined where the browser does not tell. */
  usedBytes: number | undefined;
  quotaBytes: number | undefined;
  /** Whether what was kept on an earlier visit was gone when this node started: the browser or a person deleted it. */
  wasEvicted: boolean;
  /** Whether the browser promised not to delete it by itself. */
  isPersistent: boolean;
}

export interface SaveBlobOptions {
  /** Path of the file inside a directory asset. */
  path?: string;
  /**
   * Also write the file here: what `showSaveFilePicker()` gives, or a stream. A picked file is what it was until every
   * byte has been written. Default: nothing is written.
   */
  to?: FileSystemFileHandle | WritableStream<Uint8Array>;
  /** Media type of the Blob. Default: none. */
  type?: string;
  /** The longest time without a byte arriving before `ERR_NO_PROVIDERS`. Default 30 000; Infinity: for ever. */
  timeoutMs?: number;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export interface SaveFolderOptions {
  /**
   * What becomes the asset: what `showDirectoryPicker({ mode: 'readwrite' })` gives, or a folder made in it. Files that are
   * there and right stay as they are, and others than the asset's are left alone.
   */
  to: FileSystemDirectoryHandle;
  /** Replace files that are there with other content. Default false: then nothing is written, and `ERR_TARGET_EXISTS`. */
  force?: boolean;
  /** As in `SaveBlobOptions`. */
  timeoutMs?: number;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export interface SavedFolder {
  /** Content bytes of all files. */
  bytes: number;
  /** Files of the asset, and how many of them were not there before. */
  files: number;
  filesWritten: number;
  /** Paths of symbolic links, which a page cannot make. */
  linksSkipped: readonly string[];
  durationMs: number;
  /** Verified bytes from each peer in this call, most first. */
  sources: readonly SourceShare[];
}

export interface SavedBlob {
  /**
   * The file, every byte of it verified. It is read where it is kept, without a copy: it stays good when the node is
   * closed, until the asset is removed.
   */
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
  /**
   * Downloads a directory, and writes it into a folder that the person picked, each file whole or not at all. As long as
   * not all is there, `unfinished-….shoal-part` in the folder says so; saving to it again goes on.
   *
   * @throws ERR_NOT_A_DIRECTORY (the asset is none, or a file is where a folder is to be), ERR_ACCESS (not permitted),
   * ERR_TARGET_EXISTS, ERR_UNSAFE_NAME (a name that Windows, or this browser, cannot store), ERR_NAME_COLLISION, ERR_NO_SPACE (in
   * the browser), ERR_DISK_FULL, ERR_NOT_FOUND (the folder is gone), ERR_IO. All but the last four are found before anything is
   * written, unless others change the folder meanwhile.
   */
  save(options: SaveFolderOptions): Promise<SavedFolder>;
  /**
   * Downloads a file, and gives it as a Blob, for a link to click or `URL.createObjectURL`; with `to`, also writes it.
   * An interrupted save goes on where it stopped, after a reload too.
   *
   * @throws ERR_NO_SPACE where the browser gives no more room: what is here stays; ERR_ACCESS, ERR_DISK_FULL (of `to`)
   */
  save(options?: SaveBlobOptions): Promise<SavedBlob>;
  /** Ends this handle; what is here is served to others until `remove` or `close` of the node. */
  close(): Promise<void>;
}

/** A node in a page. */
export interface PageShoal extends AsyncDisposable {
  /** The node's peer id, base58. It stays the same for a site's storage; a node that keeps nothing has a new one each time. */
  readonly id: string;
  /**
   * Multiaddrs under which other pages and nodes can dial this page: WebRTC, by way of a node that relays. None at first;
   * they come a second or two after the first such node is connected (`addresses:change`), and go with it.
   */
  readonly addresses: readonly string[];
  /**
   * Publishes files, which are read where they lie while others fetch them, and never copied. One is a file with the CID
   * that `shoal share` gives it; several, or those of a folder, are a directory. They are served until the page goes, or
   * `remove`. What is shared from handles alone is kept in mind by the site's storage, where there is one, for `shareAgain`;
   * other files a browser gives a page anew only when the person chooses them again.
   *
   * @throws ERR_SHARE_SOURCE, ERR_ACCESS, ERR_NOT_FOUND, ERR_FILE_CHANGED, ERR_UNSAFE_NAME, ERR_DUPLICATE_NAME, ERR_TOO_DEEP, ERR_CHUNK_SIZE
   */
  share(source: PageShareSource, options?: ShareOptions): Promise<PageAsset>;
  /**
   * Finds an asset by CID or `shoal:` link and fetches its root, nothing more.
   *
   * @throws ERR_NO_BROWSER_ADDRESS where nothing in the link, and no peer that was named, can be reached from a page
   */
  open(cidOrLink: string, options?: OpenOptions): Promise<PageAsset>;
  /**
   * Shares again what was shared from handles, on this visit or earlier ones, and was not removed. A file of another size or
   * time is hashed, and shared if it has the same content; if not, the link of old leads nowhere, and an `asset:error` says so.
   */
  shareAgain(options?: ShareAgainOptions): Promise<SharedAgain[]>;
  /** Everything this page shares or keeps, from earlier visits too. What waits for `shareAgain` has `bytesHere` 0. */
  list(): AsyncIterable<AssetInfo>;
  /** Forgets an asset, with the handles that it was shared from, and frees what is kept of it. */
  remove(cid: string, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Serves what is kept here, and goes back to the peers of its swarms from earlier visits. Without it an asset is served
   * to peers that ask for it.
   */
  seed(options?: { signal?: AbortSignal }): Promise<{ assets: number }>;
  /** Re-reads and re-hashes what is here, of one asset or of all. */
  verify(cid?: string, options?: VerifyOptions): AsyncIterable<VerifyReport>;
  /** Where what is fetched is kept, and how much room there is. */
  storage(): Promise<PageStorage>;
  /** Connects to a node by multiaddr. @throws as `Shoal.connect` */
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
