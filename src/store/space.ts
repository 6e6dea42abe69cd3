import { statfs } from 'node:fs/promises';
import { ShoalError } from '../errors.ts';
import { withFsErrors } from './fs-error.ts';

/**
 * Bytes that stay free on a disk, 16 MiB: the index, bitmaps, and metadata of the file system need some, and a
 * machine whose disk is entirely full fails in ways that have nothing to do with Shoal.
 */
export const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * Checks that `bytes` more fit on the file system that holds `folder`, with {@link SPARE_BYTES} to spare.
 *
 * @throws ERR_NO_SPACE with both figures
 */
export async function checkSpace(folder: string, bytes: number, what: string): Promise<void> {
  if (bytes === 0) return;
  const free = await freeBytes(folder);
  if (free === undefined || free >= bytes + SPARE_BYTES) return;
  throw new ShoalError(
    'ERR_NO_SPACE',
    `${what} needs ${formatBytes(bytes + SPARE_BYTES)} and ${folder} has ${formatBytes(free)} free; make room there or choose another place`,
  );
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
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${mib.toFixed(1)} MiB`;
}
