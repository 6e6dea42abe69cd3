import { ShoalError } from '../errors.ts';

/** How much a browser gives a page, as far as it tells. */
export interface SpaceEstimate {
  /** Bytes that the page may keep in all. */
  quotaBytes: number;
  /** Bytes that it keeps, whatever keeps them. */
  usedBytes: number;
}

/** Asks the browser. @returns undefined where it does not tell */
export async function estimateSpace(): Promise<SpaceEstimate | undefined> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? undefined : { quotaBytes: quota, usedBytes: usage ?? 0 };
  } catch {
    return undefined;
  }
}

/** What browsers say where what they kept is lost, or can be read no more: it is as good as not there. */
const LOST = new Set(['NotFoundError', 'NotReadableError', 'DataError']);

/** What a browser's storage gives; undefined where it says that it has lost that. */
export async function unlessLost<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (LOST.has((error as Error).name)) return undefined;
    throw error;
  }
}

const WHAT_HELPS =
  'remove an asset, or free space on the disk, and fetch it again: it goes on from what is here';

/** What a browser's storage threw, as an error for people. @param doing e.g. "keep a chunk of bafy…" */
export async function storageError(cause: unknown, root: string, doing: string): Promise<ShoalError> {
  if (cause instanceof ShoalError) return cause;
  const { name, message } = cause as Partial<Error>;
  if (name === 'QuotaExceededError') {
    // Not the quota: some browsers tell one that has nothing to do with what they give.
    const space = await estimateSpace();
    const used = space ? `, which keeps ${space.usedBytes} bytes` : '';
    return new ShoalError(
      'ERR_NO_SPACE',
      `the browser could not ${doing} of ${root}: it gives this page${used}, no more room; ${WHAT_HELPS}`,
      { cause },
    );
  }
  return new ShoalError(
    'ERR_IO',
    `the browser could not ${doing} of ${root}: ${message ?? String(cause)}; where the site's data was cleared, open the page anew`,
    { cause },
  );
}

/** @throws ERR_NO_SPACE where the browser tells that so many more bytes would not fit */
export async function checkEstimate(root: string, bytesMore: number): Promise<void> {
  const space = await estimateSpace();
  if (!space || space.usedBytes + bytesMore <= space.quotaBytes) return;
  throw new ShoalError(
    'ERR_NO_SPACE',
    `${root} takes ${bytesMore} bytes more, and the browser gives this page ${space.quotaBytes} bytes, of which ${space.usedBytes} are taken; ${WHAT_HELPS}`,
  );
}
