const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** Bytes as people read them: `1.2 MB`. */
export function sizeText(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** `1 peer`, `2 peers`. */
export function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The end of a peer's id, which is what differs. */
export function peerText(peer: string): string {
  return `…${peer.slice(-6)}`;
}

/**
 * Text from the network as a line that cannot pretend to be another one: control characters and those that turn the direction of
 * writing around, so that `photo<U+202E>gnp.exe` would read `photoexe.png`, are shown as `\ufffd`.
 */
export function plainText(text: string): string {
  return text.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
