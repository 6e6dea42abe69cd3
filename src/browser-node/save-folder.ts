import type { Progress } from '../api.ts';
import type { SavedFolder, SaveFolderOptions } from '../browser-api.ts';
import type { PageStore } from '../browser-store/page-store.ts';
import { ShoalError } from '../errors.ts';
import type { Manifest, ManifestFile } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { AssetHandle } from '../node/asset-handle.ts';
import { forEachBounded } from '../store/bounded.ts';
import { checkCollisions, checkNames } from '../store/entry-names.ts';
import type { StoredAsset } from '../store/store.ts';
import { permit } from './file-permission.ts';
import { PickedFolder } from './picked-folder.ts';
import { WritingMeter } from './writing-meter.ts';

/** Files looked at or written side by side: each waits for the disk, and for what the browser does with new files. */
const PARALLEL_FILES = 8;

/** Files compared side by side: the next is read while one is hashed. */
const PARALLEL_READS = 2;

/**
 * Saves a directory into a folder that a person picked. What is there and right stays and is not fetched again. While not
 * all is there, a file beside the others says so: browsers cannot rename a folder, so that it cannot appear all at once.
 *
 * @throws ERR_NOT_A_DIRECTORY, ERR_ACCESS, ERR_TARGET_EXISTS, ERR_UNSAFE_NAME, ERR_NAME_COLLISION, ERR_DISK_FULL, ERR_NO_SPACE,
 * ERR_NOT_FOUND, ERR_IO
 */
export async function saveFolder(
  handle: AssetHandle,
  store: PageStore,
  options: SaveFolderOptions,
): Promise<SavedFolder> {
  const signal = handle.untilClosed(options.signal);
  const folder = new PickedFolder(options.to);
  // First of all: browsers ask only soon after a click.
  await permit(options.to, 'readwrite');
  const manifest = await handle.manifest({ timeoutMs: options.timeoutMs, signal });
  if (manifest.type !== 'directory') {
    throw new ShoalError(
      'ERR_NOT_A_DIRECTORY',
      `${handle.cid} is a ${manifest.type}, and a folder was picked for it; pick a file to save to`,
    );
  }
  // Two at once into one folder, from other tabs too, would take each other's files for somebody else's.
  return navigator.locks.request(`shoal:save:${handle.cid}`, { signal }, () =>
    new FolderSave({ handle, store, options, signal, folder, manifest }).run(),
  );
}

interface FolderSaveInit {
  handle: AssetHandle;
  store: PageStore;
  options: SaveFolderOptions;
  signal: AbortSignal;
  folder: PickedFolder;
  manifest: Manifest;
}

class FolderSave {
  readonly #init: FolderSaveInit;
  readonly #startedMs = performance.now();
  readonly #files: readonly ManifestFile[];
  /** What the folder had when it began, of files that are to be in it. */
  readonly #found = new Map<ManifestFile, File>();
  readonly #good = new Set<ManifestFile>();

  constructor(init: FolderSaveInit) {
    this.#init = init;
    this.#files = init.manifest.entries.filter((entry) => entry.type === 'file');
  }

  async run(): Promise<SavedFolder> {
    const { folder, manifest, handle } = this.#init;
    checkNames(manifest, 'win32');
    await this.#look();
    await this.#compare();
    const mark = `unfinished-${handle.cid.slice(-8)}.shoal-part`;
    const wasMarked = (await folder.file([mark])) !== undefined;
    let sources: SavedFolder['sources'] = [];
    const missing = this.#files.filter((file) => !this.#good.has(file));
    if (missing.length > 0) {
      await folder.write([mark], false, textOfMark(handle.cid), () => {});
      try {
        if (await folder.file([mark.toUpperCase()])) checkCollisions(manifest);
        sources = await this.#download();
      } catch (error) {
        // Nothing of the asset was written yet.
        if (!wasMarked) await folder.remove(mark).catch(() => {});
        throw error;
      }
      await this.#write(missing, sources);
    }
    for (const entry of manifest.entries) if (entry.type === 'directory') await folder.makeFolder(entry.path);
    this.#init.signal.throwIfAborted();
    await folder.remove(mark);
    this.#tell({ bytes: manifest.size, sources, phase: 'done' });
    const links = manifest.entries.filter(({ type }) => type === 'symlink');
    return {
      bytes: manifest.size,
      files: this.#files.length,
      filesWritten: missing.length,
      linksSkipped: links.map(({ path }) => path.join('/')),
      durationMs: performance.now() - this.#startedMs,
      sources,
    };
  }

  /** Finds what is there, and names that cannot be, before anything is fetched. */
  async #look(): Promise<void> {
    const { folder, manifest, signal } = this.#init;
    for (const { type, path } of manifest.entries) {
      signal.throwIfAborted();
      if (type !== 'symlink') await folder.checkName(path.at(-1) as string);
      if (type === 'directory') await folder.folder(path);
    }
    const look = async (file: ManifestFile): Promise<void> => {
      const found = await folder.file(file.path);
      if (found) this.#found.set(file, found);
    };
    await forEachBounded(this.#files, PARALLEL_FILES, look, signal);
  }

  /** Reads what is there and may be right. @throws ERR_TARGET_EXISTS where it is not */
  async #compare(): Promise<void> {
    const { folder, options, signal } = this.#init;
    const sizes = [...this.#found].map(([file, { size }]) => (size === file.size ? size : 0));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    let bytes = 0;
    const compare = async ([file, found]: [ManifestFile, File]): Promise<void> => {
      const onBytes = (more: number): void => {
        bytes += more;
        this.#tell({ bytes, total, phase: 'checking' });
      };
      if (await this.#isSame(file, found, onBytes)) this.#good.add(file);
      // An empty file is what a page leaves that dies while it writes.
      else if (found.size > 0 && !options.force) throw exists(file, folder.name);
    };
    await forEachBounded(this.#found, PARALLEL_READS, compare, signal);
  }

  async #isSame(file: ManifestFile, found: File, onBytes: (bytes: number) => void): Promise<boolean> {
    if (found.size !== file.size) return false;
    for await (const { verified } of this.#chunksOf(file, found)) {
      if (!verified) return false;
      onBytes(verified.bytes.byteLength);
    }
    return true;
  }

  async *#chunksOf(
    file: ManifestFile,
    found: File,
    isWanted: (chunk: number) => boolean = () => true,
  ): AsyncGenerator<{ chunk: number; verified: VerifiedChunk | undefined }> {
    const { manifest, signal } = this.#init;
    let at = 0;
    for (const chunk of file.leaves) {
      signal.throwIfAborted();
      const end = at + manifest.chunkSize(chunk);
      if (isWanted(chunk)) {
        // What cannot be read was changed while it was looked at.
        const bytes = await found
          .slice(at, end)
          .arrayBuffer()
          .catch(() => undefined);
        const verified =
          bytes && (await VerifiedChunk.verify(manifest.chunkDigest(chunk), new Uint8Array(bytes)));
        yield { chunk, verified };
      }
      at = end;
    }
  }

  /** Fetches what neither the browser nor the folder has. */
  async #download(): Promise<SavedFolder['sources']> {
    const { handle, options, signal } = this.#init;
    // Held open, so that what is put in is not hashed again.
    const stored = await this.#fill();
    try {
      const { sources } = await handle.download(undefined, {
        timeoutMs: options.timeoutMs,
        signal,
        onProgress: (progress) => progress.phase !== 'done' && options.onProgress?.(progress),
      });
      return sources;
    } finally {
      await stored?.close();
    }
  }

  /** Gives the store what only the folder has. */
  async #fill(): Promise<StoredAsset | undefined> {
    const { handle, manifest, store, signal } = this.#init;
    if (this.#good.size === 0) return undefined;
    const stored = await store.startDownload(manifest.root, { path: undefined, name: handle.name, signal });
    try {
      const have = stored.have();
      for (const file of this.#good) {
        const chunks = this.#chunksOf(file, this.#found.get(file) as File, (chunk) => !have.has(chunk));
        for await (const { chunk, verified } of chunks) {
          if (!verified) continue;
          await stored.write(chunk, verified);
          have.set(chunk);
        }
      }
      return stored;
    } catch (error) {
      await stored.close();
      throw error;
    }
  }

  async #write(missing: readonly ManifestFile[], sources: SavedFolder['sources']): Promise<void> {
    const { folder, handle, manifest, options, signal, store } = this.#init;
    const stored = await store.open(manifest.root, { signal });
    if (!stored) {
      throw new ShoalError('ERR_UNKNOWN_ASSET', `${handle.cid} was removed while it was being saved`);
    }
    const toWrite = missing.reduce((sum, { size }) => sum + size, 0);
    const meter = new WritingMeter(manifest.size, sources, options.onProgress, manifest.size - toWrite);
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const write = async (file: ManifestFile): Promise<void> => {
      const content = contentOf(stored, file, either);
      try {
        await folder.write(file.path, !this.#found.has(file), content, (bytes) => meter.add(bytes));
      } catch (error) {
        // The others end too: none may be under way when this has failed.
        failed.abort(error);
        throw error;
      }
    };
    try {
      await forEachBounded(missing, PARALLEL_FILES, write, signal);
    } finally {
      await stored.close();
    }
  }

  #tell(
    progress: Pick<Progress, 'bytes' | 'phase'> & { total?: number; sources?: SavedFolder['sources'] },
  ): void {
    const { manifest, options } = this.#init;
    options.onProgress?.({ total: manifest.size, peers: 0, sources: [], bytesPerSec: 0, ...progress });
  }
}

async function* contentOf(
  stored: StoredAsset,
  file: ManifestFile,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const chunk of file.leaves) yield (await stored.read(chunk, signal)).bytes;
  signal.throwIfAborted();
}

async function* textOfMark(cid: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(
    `Not all of the files here have arrived yet.\nTo go on, save shoal:${cid} into this folder again.\n`,
  );
}

function exists(file: ManifestFile, folder: string): ShoalError {
  return new ShoalError(
    'ERR_TARGET_EXISTS',
    `${file.path.join('/')} is in ${folder} already, with other content; choose another folder, or replace what is there (\`force\`)`,
  );
}
