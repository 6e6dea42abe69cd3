import { ShoalError } from '../errors.ts';
import { contentTypeOf, isInert } from './content-type.ts';
import type { MediaHead, RequestMessage } from './media-protocol.ts';

/** A file of an asset, as far as an answer needs to know. */
export interface MediaFile {
  cid: string;
  /** Its name alone: what the media type is told by. */
  name: string;
  size: number;
}

/** The start of an answer, and which bytes are to follow. */
export interface MediaAnswer {
  head: MediaHead;
  /** Undefined: no body follows. */
  body: { offset: number; length: number } | undefined;
}

/**
 * What comes from the swarm was made by strangers, and is answered as if this site had made it: on a page of its own it
 * runs no script and belongs to no origin, nothing is guessed of its type, and what could be active is saved, not shown.
 */
const CONFINED: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'unsafe-inline'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/**
 * Answers a request for a file (RFC 9110): whole, in part (one range; several are answered with the whole, as a server
 * may), not modified, or with 416 where a range lies beyond its end.
 */
export function answerFor(request: RequestMessage, file: MediaFile): MediaAnswer {
  // Never another content under one CID, so that the tag is a strong one; the path is in the address.
  const tag = `"${file.cid}"`;
  const base = {
    ...CONFINED,
    'Accept-Ranges': 'bytes',
    ETag: tag,
    'Cache-Control': 'private, max-age=31536000, immutable',
  };
  if (request.ifNoneMatch !== null && matchesTag(request.ifNoneMatch, tag))
    return { head: { status: 304, headers: base }, body: undefined };
  const isRangeGood = request.ifRange === null || request.ifRange.trim() === tag;
  const range = request.range !== null && isRangeGood ? parseRange(request.range, file.size) : 'whole';
  if (range === 'unsatisfiable') {
    const headers = { ...base, 'Content-Range': `bytes */${file.size}`, 'Content-Length': '0' };
    return { head: { status: 416, headers }, body: undefined };
  }
  const { first, last } = range === 'whole' ? { first: 0, last: file.size - 1 } : range;
  const length = last - first + 1;
  const headers: Record<string, string> = {
    ...base,
    ...typeHeaders(file.name),
    'Content-Length': String(length),
  };
  if (range !== 'whole') headers['Content-Range'] = `bytes ${first}-${last}/${file.size}`;
  const head = { status: range === 'whole' ? 200 : 206, headers };
  return { head, body: request.method === 'HEAD' || length === 0 ? undefined : { offset: first, length } };
}

function typeHeaders(name: string): Record<string, string> {
  const type = contentTypeOf(name);
  // RFC 6266 and 8187: the name in UTF-8, every other character escaped.
  const escaped = encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return {
    'Content-Type': type,
    'Content-Disposition': `${isInert(type) ? 'inline' : 'attachment'}; filename*=UTF-8''${escaped}`,
  };
}

function matchesTag(list: string, tag: string): boolean {
  return list
    .split(',')
    .map((each) => each.trim().replace(/^W\//, ''))
    .some((each) => each === '*' || each === tag);
}

/** One range of RFC 9110, 14.1.2. What is no such range is as if it were not there. */
function parseRange(text: string, size: number): { first: number; last: number } | 'whole' | 'unsatisfiable' {
  const [, from, to] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(text) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return 'whole';
  if (from === '') {
    const suffix = Math.min(Number(to), size);
    return suffix === 0 ? 'unsatisfiable' : { first: size - suffix, last: size - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return 'whole';
  if (first >= size) return 'unsatisfiable';
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

/** HTTP's word for what went wrong, for those errors for which it has one better than 500. */
const STATUS: Readonly<Record<string, number>> = {
  ERR_INVALID_CID: 400,
  ERR_UNSUPPORTED_CID: 400,
  ERR_INVALID_LINK: 400,
  ERR_NOT_OPENED: 403,
  ERR_ENTRY_NOT_FOUND: 404,
  ERR_NOT_A_FILE: 404,
  ERR_NO_BROWSER_ADDRESS: 502,
  ERR_ASSET_INVALID: 502,
  ERR_CLOSED: 503,
  ERR_NO_NODE: 503,
  ERR_NO_PROVIDERS: 504,
  ERR_NO_SPACE: 507,
  ERR_DISK_FULL: 507,
};

/** The answer that tells of an error: a line of plain text with its message and code. */
export function answerForError(error: unknown): { head: MediaHead; text: string } {
  const { code, message } =
    error instanceof ShoalError ? error : { code: 'ERR_INTERNAL', message: String(error) };
  return textAnswer(STATUS[code] ?? 500, `${message} (${code})\n`);
}

/** An answer of plain text. */
export function textAnswer(status: number, text: string): { head: MediaHead; text: string } {
  const headers = { ...CONFINED, 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };
  return { head: { status, headers }, text };
}
