import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { withFsErrors } from './fs-error.ts';
import { noteWhere } from './look-at.ts';

/**
 * Open files kept at most, over all assets of the store. Enough for the files that a swarm reads at one time, and
 * far below the 1,024 that a process may usually open, sockets included.
 */
export const MAX_OPEN_FILES = 128;

/** How a pooled file is opened. */
export type OpenMode = 'read' | 'write';

// A link in the place of the file is never followed, and a pipe in its place must not block.
const GUARD = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const FLAGS: Record<OpenMode, number> = {
  read: constants.O_RDONLY | GUARD,
  write: constants.O_RDWR | GUARD,
};

/** An owner of open files that looks at each as soon as it is opened. */
export interface WaryOwner {
  /** @throws what keeps the file from being used */
  onOpened(fd: number, path: string): void;
}

interface Entry {
  owner: object;
  handle: Promise<FileHandle>;
  users: number;
  /** To be closed as soon as nobody uses it. */
  isDoomed: boolean;
}

/** Open files, reused, the least recently used closed first. A file in use is never closed. */
export class HandlePool {
  readonly #max: number;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #ids = new WeakMap<object, number>();
  readonly #closing = new Set<Promise<void>>();
  #nextId = 0;

  constructor(max = MAX_OPEN_FILES) {
    this.#max = max;
  }

  /** Files open or being opened. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Runs `task` with the existing file at `path` opened.
   *
   * @param owner whose handle it is: see {@link release}
   * @throws ERR_NOT_FOUND, ERR_ACCESS, ERR_READ_ONLY, ERR_IO
   */
  async use<T>(
    owner: object,
    path: string,
    mode: OpenMode,
    task: (handle: FileHandle) => Promise<T>,
  ): Promise<T> {
    const key = `${this.#idOf(owner)} ${mode} ${path}`;
    const entry = this.#take(key, owner, path, mode);
    try {
      return await task(await entry.handle);
    } catch (error) {
      // It did not open; or its disk was away, and gives nothing by what was opened before, though it may be back.
      this.#drop(key, entry);
      throw error;
    } finally {
      entry.users--;
      if (entry.users === 0 && entry.isDoomed) this.#close(entry);
    }
  }

  /** Closes all files of an owner; those in use as soon as they no longer are. Resolves when the idle ones are closed. */
  async release(owner: object): Promise<void> {
    for (const [key, entry] of this.#entries) if (entry.owner === owner) this.#drop(key, entry);
    await Promise.all(this.#closing);
  }

  /** Closes everything. */
  async close(): Promise<void> {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
    await Promise.all(this.#closing);
  }

  #take(key: string, owner: object, path: string, mode: OpenMode): Entry {
    let entry = this.#entries.get(key);
    if (entry) {
      this.#entries.delete(key);
    } else {
      this.#makeRoom();
      const handle = withFsErrors('open', path, () => openFor(owner, path, FLAGS[mode]));
      handle.catch(() => {});
      entry = { owner, handle, users: 0, isDoomed: false };
    }
    this.#entries.set(key, entry);
    entry.users++;
    return entry;
  }

  #makeRoom(): void {
    if (this.#entries.size < this.#max) return;
    for (const [key, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#drop(key, entry);
      return;
    }
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    entry.isDoomed = true;
    if (entry.users === 0) this.#close(entry);
  }

  #close(entry: Entry): void {
    const closing: Promise<void> = entry.handle
      .then((handle) => handle.close())
      .catch(() => {})
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #idOf(owner: object): number {
    let id = this.#ids.get(owner);
    if (id === undefined) this.#ids.set(owner, (id = this.#nextId++));
    return id;
  }
}

async function openFor(owner: object, path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags);
  try {
    if ('onOpened' in owner) (owner as WaryOwner).onOpened(handle.fd, path);
    await noteWhere(handle, path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
