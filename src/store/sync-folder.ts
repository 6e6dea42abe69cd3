import { open } from 'node:fs/promises';

/** Brings to the disk which names a folder has, so that what was put there, or deleted, stays so after a power cut. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows and some network file systems cannot sync a folder; its names are what they are all the same.
  }
}
