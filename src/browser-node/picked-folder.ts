import { ShoalError } from '../errors.ts';
import { KeyLock } from '../store/key-lock.ts';
import { isPickedError, pickedError, withPickedErrors } from './picked-error.ts';
import { writeFile } from './write-file.ts';

/** A browser lets go of a file a moment after its writing was aborted. */
const REMOVE_TRIES = 20;
const REMOVE_RETRY_MS = 50;

/**
 * A folder that a person picked. Browsers have handles there and no paths, so that no name leads out of it; and a file
 * comes into being whole, when it is closed, in place of an empty one.
 */
export class PickedFolder {
  readonly #top: FileSystemDirectoryHandle;
  readonly #folders = new Map<string, Promise<FileSystemDirectoryHandle | undefined>>();
  /** Names that the browser takes. */
  readonly #allowed = new Set<string>();
  readonly #lock = new KeyLock();

  constructor(top: FileSystemDirectoryHandle) {
    this.#top = top;
  }

  get name(): string {
    return this.#top.name;
  }

  /** A folder below; undefined where there is none. @throws ERR_NOT_A_DIRECTORY, ERR_UNSAFE_NAME … */
  folder(path: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
    return this.#folder(path, false);
  }

  /** Makes a folder below, and those above it, unless they are there. @throws as {@link folder} */
  async makeFolder(path: readonly string[]): Promise<FileSystemDirectoryHandle> {
    return (await this.#folder(path, true)) as FileSystemDirectoryHandle;
  }

  /**
   * A file as it is now; undefined where there is none.
   *
   * @throws ERR_TARGET_EXISTS where a folder is there, ERR_UNSAFE_NAME where the browser takes no such name …
   */
  async file(path: readonly string[]): Promise<File | undefined> {
    const parent = await this.folder(path.slice(0, -1));
    if (!parent) return undefined;
    const handle = await this.#find(parent, path);
    return handle && withPickedErrors(path.join('/'), () => handle.getFile());
  }

  /** @throws ERR_UNSAFE_NAME where the browser takes no file of such a name, whatever is there */
  async checkName(name: string): Promise<void> {
    if (this.#allowed.has(name)) return;
    try {
      await this.#top.getFileHandle(name);
    } catch (error) {
      if (!isPickedError(error, 'NotFoundError') && !isPickedError(error, 'TypeMismatchError'))
        throw pickedError(name, error);
    }
    this.#allowed.add(name);
  }

  /**
   * Writes a file. What was there is there until all is written; where nothing was, nothing is left of a failure.
   *
   * @param isNew whether nothing may be there
   * @throws ERR_NAME_COLLISION where there is, and what {@link writeFile} throws
   */
  async write(
    path: readonly string[],
    isNew: boolean,
    content: AsyncIterable<Uint8Array>,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    const text = path.join('/');
    const parent = await this.makeFolder(path.slice(0, -1));
    // One at a time: else two names that are one here would both find nothing.
    const handle = await this.#lock.run('', async () => {
      if (isNew && (await this.#find(parent, path))) {
        throw new ShoalError(
          'ERR_NAME_COLLISION',
          `${text} is already in ${this.name} although it was not: another entry has the same name on this file system, or another program made it; save to another folder`,
        );
      }
      return withPickedErrors(text, () => parent.getFileHandle(path.at(-1) as string, { create: true }));
    });
    try {
      await writeFile(handle, text, content, onBytes);
    } catch (error) {
      if (isNew) await removeUnfinished(parent, handle.name);
      throw error;
    }
  }

  /** Deletes a file of the folder itself, where there is one. */
  async remove(name: string): Promise<void> {
    try {
      await this.#top.removeEntry(name);
    } catch (error) {
      if (!isPickedError(error, 'NotFoundError')) throw pickedError(name, error);
    }
  }

  #folder(path: readonly string[], isMade: boolean): Promise<FileSystemDirectoryHandle | undefined> {
    const name = path.at(-1);
    if (name === undefined) return Promise.resolve(this.#top);
    const key = path.join('/');
    const known = this.#folders.get(key);
    const found = (async () => {
      const before = await known;
      if (before || (known && !isMade)) return before;
      const parent = await this.#folder(path.slice(0, -1), isMade);
      return parent && openFolder(parent, name, key, isMade);
    })();
    this.#folders.set(key, found);
    return found;
  }

  async #find(
    parent: FileSystemDirectoryHandle,
    path: readonly string[],
  ): Promise<FileSystemFileHandle | undefined> {
    const text = path.join('/');
    try {
      return await parent.getFileHandle(path.at(-1) as string);
    } catch (error) {
      if (isPickedError(error, 'NotFoundError')) return undefined;
      if (!isPickedError(error, 'TypeMismatchError')) throw pickedError(text, error);
      throw new ShoalError(
        'ERR_TARGET_EXISTS',
        `${text} is to be a file, and a folder is there in ${this.name}; choose another folder, or move it away`,
        { cause: error },
      );
    }
  }
}

async function openFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
  path: string,
  isMade: boolean,
): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await parent.getDirectoryHandle(name, { create: isMade });
  } catch (error) {
    if (!isMade && isPickedError(error, 'NotFoundError')) return undefined;
    if (!isPickedError(error, 'TypeMismatchError')) throw pickedError(path, error);
    throw new ShoalError(
      'ERR_NOT_A_DIRECTORY',
      `${path} is to be a folder, and a file is there; choose another folder, or move it away`,
      { cause: error },
    );
  }
}

/** What cannot be removed is empty, and is taken for nothing when the folder is saved to again. */
async function removeUnfinished(parent: FileSystemDirectoryHandle, name: string): Promise<void> {
  for (let tries = 1; tries <= REMOVE_TRIES; tries++) {
    try {
      await parent.removeEntry(name);
      return;
    } catch (error) {
      if (!isPickedError(error, 'NoModificationAllowedError')) return;
      await new Promise((resolve) => setTimeout(resolve, REMOVE_RETRY_MS));
    }
  }
}
