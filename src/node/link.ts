import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { parseCid } from '../integrity/parse-cid.ts';

/** The parts of a `shoal:` link. */
export interface LinkParts {
  cid: CID;
  /** The name its publisher gave it; untrusted text, at most 255 characters. */
  name: string | undefined;
  /** Multiaddrs of nodes that had it when the link was made; untrusted, at most {@link MAX_LINK_ADDRESSES}. */
  addresses: readonly string[];
}

/** A node has a handful of addresses; more would only make somebody dial around. */
const MAX_LINK_ADDRESSES = 32;

/** Longest name taken from a link: what file systems allow for one. */
const MAX_NAME_LENGTH = 255;

/** Writes `shoal:<cid>?n=<name>&a=<multiaddr>…`. */
export function formatLink(
  cid: CID | string,
  name: string | undefined,
  addresses: readonly string[],
): string {
  const query = new URLSearchParams();
  if (name !== undefined && name !== '') query.append('n', name);
  for (const address of addresses) query.append('a', address);
  // Slashes and colons are allowed in a query (RFC 3986, 3.4) and keep a multiaddr readable.
  const text = query.toString().replaceAll('%2F', '/').replaceAll('%3A', ':');
  return `shoal:${cid.toString()}${text === '' ? '' : `?${text}`}`;
}

/**
 * Reads a link or a bare CID.
 *
 * @throws ERR_INVALID_LINK, and what `parseCid` throws
 */
export function parseLink(text: string): LinkParts {
  const [scheme] = (typeof text === 'string' && /^\s*shoal:(\/\/)?/i.exec(text)) || [''];
  if (scheme === '') return { cid: parseCid(text), name: undefined, addresses: [] };
  const [cid, query] = splitOnce(text.slice(scheme.length).trim(), '?');
  if (cid === '') {
    throw new ShoalError(
      'ERR_INVALID_LINK',
      `"${text}" has no CID; a link looks like shoal:<cid>?n=<name>&a=<multiaddr>`,
    );
  }
  const parameters = new URLSearchParams(query);
  return {
    cid: parseCid(cid),
    name: nameOf(parameters.get('n') ?? ''),
    addresses: parameters.getAll('a').slice(0, MAX_LINK_ADDRESSES),
  };
}

/** A character of two halves is not cut in two: neither an address nor a file may have a half in its name. */
function nameOf(text: string): string | undefined {
  return text.slice(0, MAX_NAME_LENGTH).replace(/[\ud800-\udbff]$/, '') || undefined;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
