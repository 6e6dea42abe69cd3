import type { CID } from 'multiformats/cid';
import type { Manifest } from '../integrity/manifest.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';

/** What the store knows of an asset without loading its manifest. */
export interface AssetRecord {
  root: CID;
  name: string | undefined;
  type: 'file' | 'directory' | 'symlink';
  /** Content bytes; undefined until the whole DAG is known. */
  bytes: number | undefined;
  /**
   * Chunk bytes that are here; equals `chunkBytes` of the manifest when complete. Of a download that is not open:
   * what its bitmap claims, which is hashed when it is opened, at the mean size of a chunk.
   */
  bytesHere: number;
  state: 'shared' | 'complete' | 'partial';
  /** Absolute path of the original or the target; undefined: inside the data folder. */
  path: string | undefined;
}

/** An asset whose manifest is known: its chunks can be read and, while partial, written. */
export interface StoredAsset {
  readonly manifest: Manifest;
  readonly state: 'shared' | 'complete' | 'partial';
  /** Absolute path of the original, the saved copy, or the target; undefined: inside the data folder. */
  readonly path: string | undefined;
  /** Which chunks are here and verified. The caller gets a copy. */
  have(): Bitfield;
  /**
   * Reads a chunk from wherever it lies and verifies it: where one place of the asset fails, from another that has it.
   * @throws ERR_FILE_CHANGED (size, mtime or content is not what was shared), ERR_CHUNK_MISSING, ERR_IO
   */
  read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk>;
  /**
   * Writes a chunk to all its places in the partial, then marks its bit. Resolves when a `kill -9` can no longer
   * lose it. Idempotent. The bytes are the caller's again once it has resolved: what is kept has to be copied.
   *
   * @param isReadSoon Whether others lack it, and will have it read: then it may be prepared for that. Default true
   * @throws ERR_DISK_FULL, ERR_READ_ONLY, ERR_IO; the partial stays usable
   */
  write(chunk: number, data: VerifiedChunk, isReadSoon?: boolean): Promise<void>;
  /**
   * All chunks are here: syncs, then renames the partial to its target, atomically, and serves from there.
   * @returns the absolute path, or undefined where the content lies inside the data folder
   * A folder is replaced (`force`) only by a folder, and a file by a file. Finishing again only returns the path.
   * @throws ERR_TARGET_EXISTS unless `force`; ERR_INCOMPLETE
   */
  finish(options?: { force?: boolean }): Promise<string | undefined>;
  /** Releases file handles. The asset stays in the store. */
  close(): Promise<void>;
}

/** What `startDownload` takes. */
export interface DownloadOptions {
  /** Absolute path of the target; undefined: inside the data folder, or wherever an earlier download of it is. */
  path: string | undefined;
  name?: string;
  /** Whether `finish` may replace what is at the target. Default false. */
  force?: boolean;
  signal?: AbortSignal;
  /** Called with the bytes checked or copied so far, and how many there are. */
  onCheck?: (bytes: number, total: number) => void;
}

/** What `share` takes besides the source. */
export interface ShareOptions {
  name?: string;
  /** Bytes of a chunk, a power of two from 1 KiB to 1 MiB. Default by file size. */
  chunkSize?: number;
  signal?: AbortSignal;
  /** Called with the bytes taken in so far and, where known, the total. */
  onProgress?: (bytes: number, total: number | undefined) => void;
}

/** Content that is not a path, taken into the data folder. */
export interface ContentSource {
  name?: string;
  content: AsyncIterable<Uint8Array>;
  /** Bytes, where known: what arrives must be as many. */
  size?: number;
}

/** What {@link Store.recheck} found. */
export interface Recheck {
  /** Absolute path of what was hashed; undefined: inside the data folder. */
  path: string | undefined;
  /** Bytes of distinct chunks that are right wherever they lie. */
  bytesGood: number;
  /** Bytes of distinct chunks that were to be here, and are wrong or gone. */
  bytesBad: number;
  /** A sentence for each file that is not what it was, at most 100. Empty: all is right. */
  problems: string[];
  /** Whether all is right although size or time of a file had changed: it is served again from here on. */
  isRenewed: boolean;
}

/** The data folder, owned by this process for as long as it is open. */
export interface Store extends AsyncDisposable {
  readonly dataDir: string;
  /** The node's private key in libp2p's protobuf form; made on first use. */
  identity(): Promise<Uint8Array>;
  /** Small persistent records for other layers (the peers of an asset, known addresses …). */
  getSetting(key: string): Promise<Uint8Array | undefined>;
  putSetting(key: string, value: Uint8Array | undefined): Promise<void>;
  list(): AsyncIterable<AssetRecord>;
  get(root: CID): Promise<AssetRecord | undefined>;
  /**
   * An interior node (or a raw root block kept as one) of any asset.
   *
   * @throws ERR_FILE_CHANGED where a file is one chunk, its own root, and lies nowhere any more as it was
   */
  getNode(root: CID, node: CID): Promise<Uint8Array | undefined>;
  /** Keeps a verified interior node of a DAG that is being fetched. Creates a `partial` record without path where there is none. */
  putNode(root: CID, node: CID, bytes: Uint8Array): Promise<void>;
  /**
   * Opens an asset whose whole DAG is in the store, at its newest place that is still valid, else its unfinished
   * download; undefined where it is unknown, its nodes are not complete, or nothing but nodes was ever fetched.
   * All handles of one unfinished download share its state.
   * For a shared one checks size and mtime of every file and throws ERR_FILE_CHANGED; for a partial re-hashes the chunks its
   * bitmap claims and drops the ones that fail, reporting to `onCheck`.
   * @throws ERR_NOT_FOUND where the files of an unfinished download are gone, or their disk is: `startDownload` begins anew
   */
  open(
    root: CID,
    options?: { signal?: AbortSignal; onCheck?: (bytes: number, total: number) => void },
  ): Promise<StoredAsset | undefined>;
  /**
   * Hashes every byte that is to be here of an asset, whatever sizes and times of its files say: of its newest place
   * where anything lies, or of its unfinished download. Where all is right, the files are known by their present times
   * from here on; where not, nothing changes but that damaged chunks of a download are forgotten.
   *
   * @returns undefined where it is unknown, or nothing but nodes was ever fetched
   * @throws ERR_FILE_CHANGED where a file of one chunk, which is its own root, is not what it was; ERR_NOT_FOUND as for `open`;
   * ERR_INDEX_CORRUPT, ERR_IO
   */
  recheck(
    root: CID,
    options?: { signal?: AbortSignal; onCheck?: (bytes: number, total: number) => void },
  ): Promise<Recheck | undefined>;
  /**
   * Turns a known DAG into a download to `path` (absolute), or into the data folder where undefined. Space is
   * checked. An earlier partial of the same root is continued, moved to the new target where that differs and
   * can be done by rename, else copied. Chunks that lie in another place on this machine are copied, so that `have()`
   * may be full at once. Where the download turns out to have been finished, or the asset lies at `path` already, as it
   * was, and is not forced, the result is `complete` (or `shared`), and `finish` only returns its path. Links that lead
   * out of the asset are never made: they are logged and left out, as are
   * those that the target's file system does not take.
   * @throws ERR_UNKNOWN_ASSET, ERR_INCOMPLETE (nodes are missing), ERR_NO_SPACE, ERR_TARGET_EXISTS, ERR_NOT_FOUND (no folder
   * to hold the target), ERR_UNSAFE_NAME, ERR_UNSAFE_LINK, ERR_NAME_COLLISION, ERR_DISK_FULL, ERR_READ_ONLY, ERR_ACCESS
   */
  startDownload(root: CID, options: DownloadOptions): Promise<StoredAsset>;
  /**
   * Imports a path for serving in place (nodes and index only), or content into the data folder. A symbolic link is
   * shared as a link.
   * @returns the record, state `shared`
   * @throws ERR_NOT_FOUND, ERR_ACCESS, ERR_UNSUPPORTED_FILE (socket, pipe, device), ERR_FILE_CHANGED while it was read,
   * ERR_DATA_DIR_SHARED, ERR_SIZE_MISMATCH, ERR_NO_SPACE, ERR_DISK_FULL, and what the importer throws
   */
  share(source: string | ContentSource, options?: ShareOptions): Promise<AssetRecord>;
  /** Forgets the asset; deletes partials and content inside the data folder, never originals or saved copies. */
  remove(root: CID): Promise<void>;
  /** Waits for what is under way: whoever began it ends it first, by its signal. */
  close(): Promise<void>;
}
