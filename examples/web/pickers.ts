/** The pickers that only some browsers have (Chromium), which TypeScript does not declare. */
interface Pickers {
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

async function picked<T>(picking: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await picking;
  } catch (error) {
    // So it says that the person chose nothing.
    if ((error as Error).name === 'AbortError') return undefined;
    throw error;
  }
}
