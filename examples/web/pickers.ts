import type { PickedHandle } from 'shoal/browser';

/** The pickers that only some browsers have (Chromium), which TypeScript does not declare. */
interface Pickers {
  showOpenFilePicker?(options: { id?: string; multiple: boolean }): Promise<FileSystemFileHandle[]>;
  showDirectoryPicker?(options: {
    id?: string;
    mode: 'read' | 'readwrite';
  }): Promise<FileSystemDirectoryHandle>;
}

const pickers: Pickers = window as Window & Pickers;

/** Whether a person can pick a folder for this page to write to. */
export const canSaveFolders = typeof pickers.showDirectoryPicker === 'function';

/** Lets a person pick a folder to write to. @returns undefined where nothing was picked */
export function pickFolderToSave(): Promise<FileSystemDirectoryHandle | undefined> {
  return picked(pickers.showDirectoryPicker?.({ id: 'save', mode: 'readwrite' }));
}

/** Lets a person pick files to share, of which the browser remembers where they are. @returns undefined where it cannot */
export function pickFiles(): Promise<PickedHandle[] | undefined> | undefined {
  const picking = pickers.showOpenFilePicker?.({ id: 'share', multiple: true });
  return picking && picked(picking);
}

/** As {@link pickFiles}, for a folder. */
export function pickFolder(): Promise<PickedHandle[] | undefined> | undefined {
  const picking = pickers.showDirectoryPicker?.({ id: 'share', mode: 'read' });
  return picking && picked(picking.then((folder) => [folder]));
}

/** What was dropped, where the browser gives handles of it. */
export function droppedHandles(data: DataTransfer): Promise<PickedHandle[]> | undefined {
  const items: (DataTransferItem & { getAsFileSystemHandle?(): Promise<PickedHandle | null> })[] = [
    ...data.items,
  ];
  const files = items.filter(({ kind }) => kind === 'file');
  if (files.length === 0 || !files.every((item) => 'getAsFileSystemHandle' in item)) return undefined;
  // They have to be asked for before anything is waited for.
  const asked = files.map(async (item) => item.getAsFileSystemHandle?.());
  return Promise.all(asked).then((handles) => handles.filter((each) => each != null));
}

async function picked<T>(picking: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await picking;
  } catch (error) {
    // So it says that the person chose nothing.
    if ((error as Error).name === 'AbortError') return undefined;
    throw error;
  }
}
