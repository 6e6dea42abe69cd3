import type {
  AssetEntry,
  AssetInfo,
  Progress,
  SearchAttempt,
  RateLimits,
  SourceShare,
  VerifyReport,
} from '../index.ts';

/**
 * What a command wants done by whichever process owns the data folder: itself, or the running owner it hands
 * over to. Paths are absolute, because the owner stands in another folder.
 */
export type Job =
  | ShareJob
  | GetJob
  | SeedJob
  | { verb: 'ls' }
  | RemoveJob
  | { verb: 'verify'; cids: string[] }
  | { verb: 'inspect'; cid: string; timeoutMs: number }
  | LimitJob
  | { verb: 'id' };

export interface ShareJob {
  verb: 'share';
  /** Absolute paths, or `-` once for the bytes that the command reads from its standard input. */
  sources: string[];
  /** Bytes; undefined: by the size of the file. */
  chunkSize?: number;
}

export interface LimitJob {
  verb: 'limit';
  /** Assets the limits are for; none: the node. */
  cids: string[];
  limits: RateLimits;
  /** Of each single peer; where `cids` are named they stay as they are. */
  perPeer: RateLimits;
}

export interface RemoveJob {
  verb: 'rm';
  cids: string[];
  /** The one of them that an owner was about to remove when it ended: it may have done so, and not have said it. */
  begun?: string;
}

export interface SeedJob {
  verb: 'seed';
  /** CIDs that were shared by an owner that has gone, whose new links are told as `sharing` events. */
  announce?: string[];
  /** The command has something of its own to serve for as long as this serves: it does not leave it to the owner. */
  stay?: boolean;
}

export interface GetJob {
  verb: 'get';
  /** A CID or a `shoal:` link. */
  target: string;
  output: Output;
  force: boolean;
  timeoutMs: number;
  /** How long to go on serving after it is done. */
  linger: number | 'forever';
}

/** Where a download goes: to a path, into an existing folder under the asset's own name, or out as bytes. */
export type Output =
  | { to: 'path'; path: string }
  | { to: 'folder'; folder: string }
  /** `offset`: bytes that were written already, before the job moved here from an owner that died. */
  | { to: 'stdout'; offset: number };

/**
 * What happens in a job, one object an event. With `--json` these are the lines that are printed; their fields
 * are stable: some may be added, none changes its name or meaning.
 */
export type JobEvent =
  | { event: 'listening'; peer: string; addresses: readonly string[] }
  /** `shoal web`: where a browser on this machine finds the page. */
  | { event: 'page'; url: string }
  | { event: 'hashing'; path: string; bytes: number; total?: number }
  | {
      event: 'sharing';
      cid: string;
      link: string;
      bytes: number;
      path?: string;
      addresses: readonly string[];
    }
  /** The node can be reached at other addresses than before: through a relay, or through the NAT, or not any more. */
  | { event: 'addresses'; addresses: readonly string[] }
  | { event: 'seeding'; assets: number; addresses: readonly string[] }
  | UploadEvent
  | ProgressEvent
  | {
      event: 'done';
      cid: string;
      bytes: number;
      path: string;
      durationMs: number;
      sources: readonly SourceShare[];
    }
  | ({ event: 'asset' } & AssetInfo)
  | { event: 'removed'; cid: string }
  /** Limits in force from now on, of an asset or (without `cid`) of the node; those left out are none. */
  | ({ event: 'limited'; cid?: string; perPeer?: RateLimits } & RateLimits)
  | { event: 'verifying'; bytes: number; total: number }
  | ({ event: 'verified' } & VerifyReport)
  | InspectedEvent
  | { event: 'id'; peer: string; addresses: readonly string[]; dataDir: string; network: string }
  | { event: 'warning'; code: string; message: string }
  /** `tried`: with `ERR_NO_PROVIDERS`, every way in which somebody who has it was looked for. */
  | { event: 'error'; code: string; message: string; tried?: readonly SearchAttempt[] };

/** Events of the moment, of which the next says all that the last one did. */
const PASSING_EVENTS: ReadonlySet<string> = new Set(['progress', 'upload', 'hashing', 'verifying']);

/** Who is suspended, or slow, reads nothing: what is only of the moment is dropped beyond this. */
const MAX_UNREAD_BYTES = 256 * 1024;

/** Whether an event is left out, since its reader has not taken so many bytes of what was told before. */
export function isLeftOut({ event }: JobEvent, unreadBytes: number): boolean {
  return PASSING_EVENTS.has(event) && unreadBytes > MAX_UNREAD_BYTES;
}

/** Payload acknowledged by a peer since this process began, a sum for each asset and peer. */
export interface UploadEvent {
  event: 'upload';
  cid: string;
  peer: string;
  bytes: number;
}

/** How far a download is. `sources` names those that gave most, at most {@link MAX_PROGRESS_SOURCES}. */
export interface ProgressEvent {
  event: 'progress';
  bytes: number;
  total: number;
  peers: number;
  bytesPerSec: number;
  phase: Progress['phase'];
  sources: readonly SourceShare[];
}

/** What `inspect` says, of a path (with the `ipfs add` that gives the same CID) or of a CID (with its entries). */
export interface InspectedEvent {
  event: 'inspected';
  cid: string;
  type: 'file' | 'directory' | 'symlink';
  bytes?: number;
  path?: string;
  name?: string;
  chunkSize?: number;
  chunks?: number;
  nodes?: number;
  ipfsAdd?: string;
  note?: string;
  /** `here`: how much of it the data folder holds. */
  bytesHere?: number;
  entries?: readonly AssetEntry[];
}

/** A progress line stays readable and short however many peers give. */
export const MAX_PROGRESS_SOURCES = 16;

/** What a job's surroundings do for it: the same job runs in the owner's own process and for a command beside it. */
export interface JobContext {
  signal: AbortSignal;
  emit(event: JobEvent): void;
  /** Writes content to the command's standard output; resolves when more can be taken. */
  write(bytes: Uint8Array): Promise<void>;
  /** The command's standard input. */
  input(): AsyncIterable<Uint8Array>;
  /** The work is done, what was got is served on for so long. Returns at once where the owner serves it anyway. */
  linger(durationMs: number | 'forever'): Promise<void>;
}

/**
 * Reads a job that came over the control socket.
 *
 * @returns undefined where it is not one: an unknown verb or a field of the wrong type
 */
export function parseJob(value: unknown): Job | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  switch (fields['verb']) {
    case 'seed':
      return parseSeed(fields);
    case 'ls':
    case 'id':
      return { verb: fields['verb'] };
    case 'rm':
      return parseRemove(fields);
    case 'verify':
      return isStrings(fields['cids']) ? { verb: 'verify', cids: fields['cids'] } : undefined;
    case 'inspect':
      return isText(fields['cid']) && isCount(fields['timeoutMs'])
        ? { verb: 'inspect', cid: fields['cid'], timeoutMs: fields['timeoutMs'] }
        : undefined;
    case 'limit':
      return parseLimit(fields);
    case 'share':
      return parseShare(fields);
    case 'get':
      return parseGet(fields);
    default:
      return undefined;
  }
}

function parseSeed({ announce, stay }: Record<string, unknown>): SeedJob | undefined {
  if (announce !== undefined && !isStrings(announce)) return undefined;
  return stay === undefined || typeof stay === 'boolean' ? { verb: 'seed', announce, stay } : undefined;
}

function parseRemove({ cids, begun }: Record<string, unknown>): RemoveJob | undefined {
  if (!isStrings(cids)) return undefined;
  return begun === undefined || isText(begun) ? { verb: 'rm', cids, begun } : undefined;
}

function parseLimit({ cids, limits, perPeer }: Record<string, unknown>): LimitJob | undefined {
  if (!isStrings(cids) || !isLimits(limits) || !isLimits(perPeer)) return undefined;
  return { verb: 'limit', cids, limits, perPeer };
}

function isLimits(value: unknown): value is RateLimits {
  if (typeof value !== 'object' || value === null) return false;
  const { uploadBytesPerSec: up, downloadBytesPerSec: down } = value as Record<string, unknown>;
  return (up === undefined || isCount(up)) && (down === undefined || isCount(down));
}

function parseShare(fields: Record<string, unknown>): ShareJob | undefined {
  const { sources, chunkSize } = fields;
  if (!isStrings(sources) || (chunkSize !== undefined && !isCount(chunkSize))) return undefined;
  return { verb: 'share', sources, chunkSize };
}

function parseGet(fields: Record<string, unknown>): GetJob | undefined {
  const { target, force, timeoutMs, linger } = fields;
  const output = parseOutput(fields['output']);
  if (!isText(target) || output === undefined || typeof force !== 'boolean' || !isCount(timeoutMs))
    return undefined;
  if (linger !== 'forever' && !isCount(linger)) return undefined;
  return { verb: 'get', target, output, force, timeoutMs, linger };
}

function parseOutput(value: unknown): Output | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { to, path, folder, offset } = value as Record<string, unknown>;
  if (to === 'path' && isText(path)) return { to, path };
  if (to === 'folder' && isText(folder)) return { to, folder };
  if (to === 'stdout' && isCount(offset)) return { to, offset };
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
