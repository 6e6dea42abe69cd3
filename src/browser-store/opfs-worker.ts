/**
 * The worker that reads and writes a page's files: only workers get handles that do so at once and for good
 * (`FileSystemSyncAccessHandle`). It knows files and offsets, and nothing of what they are for. Its code is part of the
 * page's bundle, as text (`opfs-worker-source.ts`): it imports nothing that it does not have to.
 */
import { BITMAP_FILE, DATA_FILE, OPFS_FOLDER, type OpfsAnswer, type OpfsRequest } from './opfs-protocol.ts';

/** As in the File System standard; the library for pages does not have it. */
interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface Worker {
  onmessage: ((event: { data: { id: number; request: OpfsRequest } }) => void) | null;
  postMessage(message: OpfsAnswer, transfer?: Transferable[]): void;
}

interface OpenFiles {
  directory: FileSystemDirectoryHandle;
  data: SyncHandle;
  bitmap: SyncHandle;
  /** What is in the bitmap, one bit a chunk, as a `Bitfield` has them. */
  bits: Uint8Array;
}

/** The worker of a page that was just left may hold the files for a moment longer. */
const OPEN_TRIES = 30;
const OPEN_PAUSE_MS = 100;

const worker = globalThis as unknown as Worker;
const open = new Map<string, OpenFiles>();
let folder: Promise<FileSystemDirectoryHandle> | undefined;

function home(): Promise<FileSystemDirectoryHandle> {
  folder ??= navigator.storage
    .getDirectory()
    .then((top) => top.getDirectoryHandle(OPFS_FOLDER, { create: true }));
  return folder;
}

async function openFile(directory: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  const file = (await directory.getFileHandle(name, { create: true })) as unknown as {
    createSyncAccessHandle(): Promise<SyncHandle>;
  };
  for (let tries = 1; ; tries++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      if ((error as Error).name !== 'NoModificationAllowedError' || tries === OPEN_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, OPEN_PAUSE_MS));
    }
  }
}

async function openFiles(root: string, bytes: number, bitmapBytes: number): Promise<Uint8Array> {
  await closeFiles(root);
  const directory = await (await home()).getDirectoryHandle(root, { create: true });
  const data = await openFile(directory, DATA_FILE);
  let bitmap: SyncHandle | undefined;
  try {
    // Counts against the quota from here on, so that a lack of room shows before anything is fetched. Takes no disk yet.
    if (data.getSize() < bytes) data.truncate(bytes);
    bitmap = await openFile(directory, BITMAP_FILE);
    const found = readAt(bitmap, 0, bitmapBytes);
    const bits = new Uint8Array(bitmapBytes);
    bits.set(found);
    // Written, not only made longer: from here on a bit needs no room on the disk.
    if (found.byteLength < bitmapBytes) writeAt(bitmap, 0, bits);
    open.set(root, { directory, data, bitmap, bits });
    return bits.slice();
  } catch (error) {
    data.close();
    bitmap?.close();
    throw error;
  }
}

function filesOf(root: string): OpenFiles {
  const files = open.get(root);
  if (!files) throw new Error('its files are not open');
  return files;
}

function readAt(file: SyncHandle, at: number, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(size, file.getSize() - at)));
  let done = 0;
  while (done < bytes.byteLength) {
    const read = file.read(bytes.subarray(done), { at: at + done });
    if (read === 0) return bytes.slice(0, done);
    done += read;
  }
  return bytes;
}

function writeAt(file: SyncHandle, at: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) {
    const written = file.write(bytes.subarray(done), { at: at + done });
    if (written === 0) throw new DOMException('nothing more could be written', 'QuotaExceededError');
    done += written;
  }
}

function setBit({ bitmap, bits }: OpenFiles, chunk: number, isHere: boolean): void {
  const at = chunk >> 3;
  const bit = 0x80 >> (chunk & 7);
  const byte = bits[at] as number;
  bits[at] = isHere ? byte | bit : byte & ~bit;
  writeAt(bitmap, at, bits.subarray(at, at + 1));
}

async function closeFiles(root: string): Promise<void> {
  const files = open.get(root);
  open.delete(root);
  if (!files) return;
  for (const [name, handle] of [
    [DATA_FILE, files.data],
    [BITMAP_FILE, files.bitmap],
  ] as const) {
    // Where the site's data was cleared, Chromium never comes back from `close`, and this worker does nothing any more.
    const isThere = await files.directory.getFileHandle(name).then(
      () => true,
      () => false,
    );
    if (isThere) handle.close();
  }
}

async function remove(root: string): Promise<void> {
  await closeFiles(root);
  try {
    await (await home()).removeEntry(root, { recursive: true });
  } catch (error) {
    if ((error as Error).name !== 'NotFoundError') throw error;
  }
}

async function answer(request: OpfsRequest): Promise<Uint8Array | undefined> {
  switch (request.op) {
    case 'hello': {
      const file = globalThis as { FileSystemFileHandle?: { prototype: object } };
      if (!file.FileSystemFileHandle || !('createSyncAccessHandle' in file.FileSystemFileHandle.prototype))
        throw new Error('the browser has no sync access handles');
      await home();
      return undefined;
    }
    case 'open':
      return openFiles(request.root, request.bytes, request.bitmapBytes);
    case 'read':
      return readAt(filesOf(request.root).data, request.at, request.size);
    case 'write': {
      const files = filesOf(request.root);
      writeAt(files.data, request.at, request.bytes);
      setBit(files, request.chunk, true);
      return request.bytes;
    }
    case 'forget':
      setBit(filesOf(request.root), request.chunk, false);
      return undefined;
    case 'flush': {
      const { data, bitmap } = filesOf(request.root);
      data.flush();
      bitmap.flush();
      return undefined;
    }
    case 'close':
      await closeFiles(request.root);
      return undefined;
    case 'remove':
      return remove(request.root) as Promise<undefined>;
  }
}

worker.onmessage = ({ data: { id, request } }) => {
  answer(request).then(
    (bytes) => worker.postMessage({ id, bytes }, bytes ? [bytes.buffer as ArrayBuffer] : []),
    ({ name, message }: Error) => worker.postMessage({ id, error: { name, message } }),
  );
};
