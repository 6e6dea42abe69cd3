/** What the bound depends on: the file in bytes, uplinks in bytes per second. */
export interface SwarmShape {
  fileBytes: number;
  originBytesPerSec: number;
  /** The uplink of each downloader. Their downlinks have no limit here. */
  peerBytesPerSec: readonly number[];
}

/**
 * The fluid bound of Kumar & Ross (2006): no way of distributing a file from one origin to N downloaders is faster
 * than `max(F/u_s, F/d_min, N·F/(u_s + Σu_i))`. With unlimited downlinks the middle term is nothing.
 *
 * @returns seconds
 */
export function fluidBound({ fileBytes, originBytesPerSec, peerBytesPerSec }: SwarmShape): number {
  const allBytesPerSec = originBytesPerSec + sum(peerBytesPerSec);
  return Math.max(fileBytes / originBytesPerSec, (peerBytesPerSec.length * fileBytes) / allBytesPerSec);
}

/**
 * The same bound for an origin that is gone after it has uploaded `originFiles` times the file: what is left must
 * come over the peers' uplinks alone.
 *
 * @returns seconds
 */
export function boundWithoutOrigin(shape: SwarmShape, originFiles: number): number {
  const fromPeers = (shape.peerBytesPerSec.length - originFiles) * shape.fileBytes;
  return Math.max(fluidBound(shape), fromPeers / sum(shape.peerBytesPerSec));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
