import type { PickedHandle } from 'shoal/browser';
import { droppedHandles } from './pickers.ts';
import type { Chosen } from './share-view.ts';

interface PathFile {
  path: string;
  file: File;
}

/** What a file input holds. @returns undefined where that is nothing */
export function chosenOf(list: FileList): Chosen | undefined {
  const files = [...list];
  const [first] = files;
  if (!first) return undefined;
  if (files.length === 1 && !first.webkitRelativePath) return single(first);
  // A chosen folder is named by the first part of each path.
  const folder = first.webkitRelativePath.split('/')[0] ?? '';
  return several(
    folder,
    files.map((file) => ({ path: file.webkitRelativePath || file.name, file })),
  );
}

/** What was picked. @returns undefined where that is nothing */
export function pickedOf(handles: readonly PickedHandle[] | undefined): Chosen | undefined {
  const [first] = handles ?? [];
  if (!handles || !first) return undefined;
  return {
    name: handles.length === 1 ? first.name : `${handles.length} files`,
    files: [...handles],
    bytes: undefined,
  };
}

/** What was dropped: files, or folders with all that is in them. */
export async function droppedOf(data: DataTransfer): Promise<Chosen | undefined> {
  const handles = droppedHandles(data);
  if (handles) return pickedOf(await handles);
  // Entries have to be asked for before anything is waited for.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const [first] = entries;
  if (!first) return undefined;
  if (entries.length === 1 && first.isFile) return single(await fileOf(first as FileSystemFileEntry));
  const files: PathFile[] = [];
  for (const entry of entries) await collect(entry, entry.name, files);
  return several(entries.length === 1 ? first.name : '', files);
}

function single(file: File): Chosen {
  return { name: file.name, files: file, bytes: file.size };
}

/** @param files with the folder's name in their paths: without it one file of a folder would be a file alone */
function several(folder: string, files: PathFile[]): Chosen {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  return { name: folder || `${files.length} files`, files, bytes };
}

async function collect(entry: FileSystemEntry, path: string, files: PathFile[]): Promise<void> {
  if (entry.isFile) {
    files.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // It gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const each of some) await collect(each, `${path}/${each.name}`, files);
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
