/** NAME_MAX of Linux, macOS and (in UTF-16 units) Windows. */
const MAX_NAME_BYTES = 255;

/** Device names that Windows reserves, with or without an extension. */
const WINDOWS_DEVICE =
  /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\.|$)/i;

const encoder = new TextEncoder();

/**
 * Whether a name from the network may become one segment of a path. Rejected is what could leave the folder it is
 * written to, or could not be a file name anywhere: nothing, `.`, `..`, separators of any system, NUL and other
 * control characters, lone surrogates, and more than 255 bytes of UTF-8. A node with such a name is refused whole.
 *
 * What only Windows cannot store is left to {@link isPortableName}.
 */
export function isSafeName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  if (name.length > MAX_NAME_BYTES || encoder.encode(name).byteLength > MAX_NAME_BYTES) return false;
  // eslint-disable-next-line no-control-regex
  return !/[/\\\u0000-\u001f\u007f]/.test(name) && name.isWellFormed();
}

/**
 * Whether a safe name can also be stored on Windows: no device names, no trailing dot or space, none of `<>:"|?*`.
 * A colon would open another stream of a file, a device name a device: on `win32` the store refuses these.
 */
export function isPortableName(name: string): boolean {
  return isSafeName(name) && !/[<>:"|?*]|[. ]$/.test(name) && !WINDOWS_DEVICE.test(name);
}

/** Anything with a path: a manifest's entries. */
interface HasPath {
  readonly path: readonly string[];
}

/**
 * Pairs of paths that are one and the same where file names ignore case and Unicode form (macOS and Windows as
 * they come). A store on such a file system refuses the asset before one file overwrites the other.
 *
 * @returns the later path of each pair beside the earlier one, joined with `/`
 */
export function caseCollisions(entries: Iterable<HasPath>): { path: string; collidesWith: string }[] {
  const seen = new Map<string, string>();
  const found: { path: string; collidesWith: string }[] = [];
  for (const { path } of entries) {
    const text = path.join('/');
    // By way of capitals, which bring together small letters that share one: σ and ς, s and ſ, ß and ss.
    const folded = text.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
    const earlier = seen.get(folded);
    if (earlier === undefined) seen.set(folded, text);
    else found.push({ path: text, collidesWith: earlier });
  }
  return found;
}
