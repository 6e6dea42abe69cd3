import { statfs } from 'node:fs/promises';
import { ShoalError } from '../errors.ts';
import { withFsErrors } from './fs-error.ts';

/**
 * Bytes that stay free on a disk beside so many new ones: a hundredth, for the index, bitmaps and the file system's own
 * records; at least 64 KiB, some blocks for each of those, and at most 16 MiB, more than they need for a terabyte.
 */
export function spareBytes(bytes: number): number {
  return Math.max(64 * 1024, Math.min(16 * 1024 * 1024, Math.ceil(bytes / 100)));
}

/**
 * Checks that `bytes` more fit on the file system that holds `folder`, with {@link spareBytes} to spare.
 *
 * @throws ERR_NO_SPACE with both figures
 */
export async function checkSpace(folder: string, bytes: number, what: string): Promise<void> {
  if (bytes === 0) return;
  const free = await freeBytes(folder);
  if (isEnough(free, bytes)) return;
  const needed = formatBytes(bytes + spareBytes(bytes));
  throw new ShoalError(
    'ERR_NO_SPACE',
    `${what} needs ${needed} and ${folder} has ${formatBytes(free ?? 0)} free; make room there or choose another place`,
  );
}

/** Whether {@link checkSpace} would find room. */
export async function hasSpace(folder: string, bytes: number): Promise<boolean> {
  return isEnough(await freeBytes(folder), bytes);
}

function isEnough(free: number | undefined, bytes: number): boolean {
  return free === undefined || free >= bytes + spareBytes(bytes);
}

/** Bytes free to this user; undefined where the file system does not tell. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { bavail, bsize, blocks } = await withFsErrors('ask for the free space of', folder, () =>
    statfs(folder),
  );
  return blocks === 0 ? undefined : bavail * bsize;
}

function formatBytes(bytes: number): string {
  const mib = bytes / (1024 * 1024);
  if (mib < 1) return `${(bytes / 1024).toFixed(1)} KiB`;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${mib.toFixed(1)} MiB`;
}
