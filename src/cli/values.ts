import { InvalidArgumentError } from 'commander';
import { cidOf } from '../daemon/cid-text.ts';

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Decimal and binary multiples, as IEC 80000-13 names them. A lone `k`, `M` or `G` is refused: it could be either. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Nobody waits for longer than this, and a timer's 31 bits end soon after: 24 days. */
const MAX_DURATION_MS = 24 * 24 * 3_600_000;

/** Reads `500ms`, `10s`, `2m`, `1h` or `0`. @returns milliseconds */
export function parseDuration(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text.trim()) ?? [];
  const factor = unit === '' && Number(number) === 0 && number !== '' ? 1 : DURATION_UNITS[unit];
  const milliseconds = Math.round(Number(number) * (factor ?? Number.NaN));
  if (number === '' || !Number.isFinite(milliseconds) || milliseconds > MAX_DURATION_MS) {
    throw new InvalidArgumentError('A time is written 500ms, 10s, 2m or 1h, at most 576h.');
  }
  return milliseconds;
}

/** Reads how long to wait for a byte: as {@link parseDuration}, and more than 0. @returns milliseconds */
export function parseTimeout(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === 0)
    throw new InvalidArgumentError('Nothing can come in no time; write 30s or 2m, or leave it out for 30s.');
  return milliseconds;
}

/**
 * Refuses at once what cannot be a multiaddr, whatever the verb and without loading what knows them all; the SDK
 * looks at the rest.
 *
 * @throws an error of the code ERR_INVALID_MULTIADDR, as the SDK does
 */
export function parseAddress(text: string): string {
  if (/^\/[^/\s]+\/[^/\s]+[^\s]*$/.test(text)) return text;
  throw asShoalError(
    'ERR_INVALID_MULTIADDR',
    `"${text}" is not a multiaddr; write it like /ip4/192.0.2.1/tcp/4001 or /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…`,
  );
}

/** A sha2-256 CID of 36 bytes and its prefix, in the multibase of most letters: one for each byte. */
const MIN_CID_LENGTH = 37;

/**
 * Refuses at once what cannot be a CID or link, as {@link parseAddress} does: else a node is started, to look for a name that was
 * not copied whole.
 *
 * @throws an error of the code ERR_INVALID_CID or ERR_INVALID_LINK, as the SDK does
 */
export function parseAsset(text: string): string {
  const cid = cidOf(text);
  if (cid.length >= MIN_CID_LENGTH) return text;
  if (cid === '' && text.trim() !== '') {
    throw asShoalError(
      'ERR_INVALID_LINK',
      `"${text}" has no CID; a link looks like shoal:<cid>?n=<name>&a=<multiaddr>`,
    );
  }
  throw asShoalError(
    'ERR_INVALID_CID',
    `"${text}" is not a CID; it should look like bafybei… or bafkrei… and be copied whole`,
  );
}

/** What is told like one of the SDK's, which takes long to load. */
function asShoalError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: 'ShoalError', code });
}

/** Reads the number of a TCP port; 0 is any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return port;
}

/** Reads `64KiB`, `2MB`, `1.5GB` or a plain number of bytes. @returns bytes, a whole number */
export function parseSize(text: string): number {
  const bytes = bytesOf(text);
  if (bytes === undefined)
    throw new InvalidArgumentError('A size is written 64KiB, 2MB, 1.5GB or as a number of bytes.');
  return bytes;
}

/** Reads `2MB/s` or `2MB`. @returns bytes per second, more than 0 */
export function parseRate(text: string): number {
  const bytes = bytesOf(text.trim().replace(/\/s$/i, ''));
  if (bytes === undefined || bytes === 0)
    throw new InvalidArgumentError('A rate is written 500KB/s, 2MB/s or 2MB, and is more than 0.');
  return bytes;
}

/** Reads the size of a chunk: a power of two from 1 KiB to 1 MiB. @returns bytes */
export function parseChunkSize(text: string): number {
  const bytes = bytesOf(text) ?? 0;
  const isPower = bytes > 0 && Number.isInteger(Math.log2(bytes));
  if (!isPower || bytes < 2 ** 10 || bytes > 2 ** 20) {
    throw new InvalidArgumentError('A chunk is a power of two from 1KiB to 1MiB, such as 256KiB.');
  }
  return bytes;
}

/** Reads how many: a whole number above 0. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  if (!Number.isSafeInteger(count) || count === 0)
    throw new InvalidArgumentError('It is a whole number above 0.');
  return count;
}

/** Reads the name of a network. */
export function parseNetwork(text: string): string {
  if (!/^[a-z0-9._-]{1,64}$/.test(text)) {
    throw new InvalidArgumentError('A network is named with 1 to 64 of a-z, 0-9, ".", "_" and "-".');
  }
  return text;
}

/** Refuses an empty value, which is a variable that was not set more often than a wish. */
export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

function bytesOf(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = unit === '' ? 1 : SIZE_UNITS[unit.toLowerCase()];
  if (number === '' || factor === undefined) return undefined;
  const bytes = Math.round(Number(number) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
