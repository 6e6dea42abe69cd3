/** Longest file name that file systems take, in bytes. */
const MAX_NAME_BYTES = 255;

/** Names that Windows keeps for devices, with any extension. */
const WINDOWS_DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;

/**
 * Turns the name in a link, which anybody may have written, into a plain file name for the current folder: its
 * last part, without control characters, and not hidden.
 *
 * @param fallback used where nothing is left: the CID
 */
export function safeName(
  name: string | undefined,
  fallback: string,
  platform: string = process.platform,
): string {
  let base = (name ?? '').split(/[/\\]/).at(-1) ?? '';
  // Controls, and the marks that turn the direction of text and so hide what an extension is.
  base = base.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '').trim();
  base = base.replace(/^\.+/, '');
  if (platform === 'win32') base = base.replaceAll(/[<>:"|?*]/g, '_').replace(/[. ]+$/, '');
  if (platform === 'win32' && WINDOWS_DEVICES.test(base)) base = `_${base}`;
  return base === '' || Buffer.byteLength(base) > MAX_NAME_BYTES ? fallback : base;
}
