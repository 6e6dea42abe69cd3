const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `1.5 GB`: three digits at most, decimal units, as disks and networks are sold. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be written with four digits.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < DECIMAL_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${DECIMAL_UNITS[unit]}`;
}

/** `3.2 MB/s`. */
export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** `0.4 s`, `12 s`, `3:05`, `1:02:03`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** The end of a peer id, which is where ids differ; people compare these by eye. */
export function shortPeer(peer: string): string {
  return peer.length <= 8 ? peer : `…${peer.slice(-6)}`;
}

/** Text that others wrote, made safe for a terminal: control characters can move its cursor and forge lines. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** Below this are the letters of which a terminal draws none wider than one column. Above are wide ones and others. */
const FIRST_WIDE = 0x1100;

/**
 * As much of a text, from its beginning, as surely fits into so many columns: what may be drawn as two counts as two. A
 * line that is drawn again and again stays one line only where it does not wrap.
 */
export function cutToWidth(text: string, columns: number): string {
  let cut = '';
  let left = columns;
  for (const character of text) {
    left -= (character.codePointAt(0) ?? 0) < FIRST_WIDE ? 1 : 2;
    if (left < 0) break;
    cut += character;
  }
  return cut;
}

/** `1 peer`, `2 peers`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Rows under their heads, columns as wide as their widest cell; numbers to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rightColumns: ReadonlySet<number>,
): string {
  const all = [head, ...rows];
  // A list of assets has more rows than a call takes arguments.
  const widths = head.map((_, column) =>
    all.reduce((widest, row) => Math.max(widest, (row[column] ?? '').length), 0),
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) =>
        rightColumns.has(column) ? (row[column] ?? '').padStart(width) : (row[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
