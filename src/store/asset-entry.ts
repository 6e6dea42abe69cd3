import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';

/** A place where all of an asset's content lies. */
export interface Place {
  /** Names its file stamps in the index. */
  id: string;
  /** `shared`: an original published here; `complete`: a finished download. */
  kind: 'shared' | 'complete';
  /** Absolute path; undefined: `content/<cid>` in the data folder. */
  path?: string;
}

/** A download that is not finished. */
export interface Download {
  /** Absolute path of the target; undefined: the data folder. */
  path?: string;
  /** Absolute path of the partial file or folder. */
  partial: string;
  /**
   * During a change of target: where the partial is where `partial` is not; else what is left of the other one, to be
   * deleted.
   */
  other?: string;
  /** Where `finish` moved what `force` replaces; deleted once the new one is in its place and has its record. */
  aside?: string;
  /** Bytes of chunks here, as of the last time it was noted. The bitmap is what counts. */
  bytesHere: number;
}

/** What the index keeps of an asset, as JSON under `a/<cid>`. */
export interface AssetEntry {
  v: 1;
  /** Names its interior nodes in the index, so that an import can write them before it knows its root. */
  nodes: string;
  name?: string;
  type: Manifest['type'];
  /** Content bytes of all files; undefined until the whole DAG was here once. */
  bytes?: number;
  /** Bytes of distinct chunks; known when `bytes` is. */
  chunkBytes?: number;
  /** Distinct chunks; known when `bytes` is, save in records of before this was kept. */
  chunks?: number;
  /** Newest first; the first valid one is served. */
  places: Place[];
  download?: Download;
  /** What a finished download replaced and is being deleted, see {@link Download.aside}. */
  aside?: string;
}

/** Places remembered of one asset. More copies than this are of no use for serving. */
export const MAX_PLACES = 8;

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** The entry as bytes for the index. */
export function encodeEntry(entry: AssetEntry): Uint8Array {
  return encoder.encode(JSON.stringify(entry));
}

/** Reads an entry. @throws ERR_INDEX_CORRUPT where it is not what {@link encodeEntry} writes */
export function decodeEntry(key: string, bytes: Uint8Array): AssetEntry {
  try {
    const entry: unknown = JSON.parse(decoder.decode(bytes));
    if (isAssetEntry(entry)) return entry;
  } catch {
    // Falls through: not JSON at all is damage like any other.
  }
  throw new ShoalError('ERR_INDEX_CORRUPT', `the index has a damaged record of ${key}`);
}

function isAssetEntry(value: unknown): value is AssetEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { v, nodes, name, type, bytes, chunkBytes, chunks, places, download, aside } =
    value as Partial<AssetEntry>;
  return (
    v === 1 &&
    typeof nodes === 'string' &&
    isOptional(name, 'string') &&
    (type === 'file' || type === 'directory' || type === 'symlink') &&
    isOptional(bytes, 'number') &&
    isOptional(chunkBytes, 'number') &&
    isOptional(chunks, 'number') &&
    Array.isArray(places) &&
    places.every(isPlace) &&
    (download === undefined || isDownload(download)) &&
    isOptional(aside, 'string')
  );
}

function isPlace(value: unknown): value is Place {
  const { id, kind, path } = (value ?? {}) as Partial<Place>;
  return typeof id === 'string' && (kind === 'shared' || kind === 'complete') && isOptional(path, 'string');
}

function isDownload(value: unknown): value is Download {
  const { path, partial, other, aside, bytesHere } = (value ?? {}) as Partial<Download>;
  return (
    typeof partial === 'string' &&
    isOptional(path, 'string') &&
    isOptional(other, 'string') &&
    isOptional(aside, 'string') &&
    typeof bytesHere === 'number'
  );
}

function isOptional(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || typeof value === type;
}
