import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const MIB = 1 << 20;

/** More memory than a copy of the file takes, with the buffers beside it; of a large file so much of it. */
const SPARE = 1.25;
const MOST_BYTES = 2 ** 30;

/**
 * Has the machine hold memory for a copy of `bytes` in this folder, by a file that is written and removed: a virtual machine may
 * give back to its host, within a second or two, what nobody uses (the kernel's page_reporting), and gets it again at a
 * quarter of the speed of this transfer. Without this the pair, which starts two nodes first, took 2.4 to 10 s where 2.4 is
 * what it takes, and its bounds, which start at once, always the same.
 */
export async function warmMemory(bytes: number, folder: string): Promise<void> {
  const path = join(folder, 'warm');
  const file = await open(path, 'w');
  try {
    const piece = Buffer.alloc(MIB, 1);
    for (let left = SPARE * Math.min(bytes, MOST_BYTES); left > 0; left -= MIB) await file.write(piece);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
