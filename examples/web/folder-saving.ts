import type { PageAsset, Progress, SavedFolder } from 'shoal/browser';

/**
 * Saves a folder below one that was picked, under its name; or into that one, where it has the name already, as when it goes
 * on. Where it is refused, nothing is left of it.
 */
export async function saveBelow(
  picked: FileSystemDirectoryHandle,
  asset: PageAsset,
  options: { onProgress: (progress: Progress) => void; signal: AbortSignal },
): Promise<SavedFolder & { name: string }> {
  const to = picked.name === asset.name ? picked : await folderFor(picked, asset);
  try {
    return { ...(await asset.save({ to, ...options })), name: to.name };
  } catch (error) {
    // Only what is empty can be removed so.
    if (to !== picked) await picked.removeEntry(to.name).catch(() => undefined);
    throw error;
  }
}

/** The name is from the network: the browser takes it only where it can be one. */
async function folderFor(
  picked: FileSystemDirectoryHandle,
  { name, cid }: PageAsset,
): Promise<FileSystemDirectoryHandle> {
  try {
    return await picked.getDirectoryHandle(name ?? cid, { create: true });
  } catch (error) {
    if (!(error instanceof TypeError) && (error as Error).name !== 'TypeMismatchError') throw error;
    return picked.getDirectoryHandle(cid, { create: true });
  }
}
