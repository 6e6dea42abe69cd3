import type { CID } from 'multiformats/cid';
import {
  importTree,
  type SourceDirectory,
  type SourceEntry,
  type SourceFile,
} from '../chunking/import-tree.ts';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import { MAX_LEAF_BYTES } from '../integrity/limits.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import { isSafeName } from '../integrity/safe-name.ts';
import { SharedFiles } from './shared-files.ts';

/** A file to share, with its path in the asset. */
export interface FileToShare {
  /** With `/` between its parts; the first one names the asset where all files have the same. `''`: the asset is the file. */
  path: string;
  file: Blob;
}

/** What {@link importFiles} takes besides the files. */
export interface ImportFilesOptions {
  /** Paths of folders with nothing in them; the asset itself is `''`. Default: none. */
  emptyFolders?: readonly string[] | undefined;
  /** What the asset is called in its link. */
  name: string | undefined;
  chunkSize: number | undefined;
  /** Called with the bytes hashed so far and how many there are. */
  onProgress: ((bytes: number, total: number) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** Bytes of a file read at once: a multiple of the largest chunk, so that no chunk is put together of two reads. */
const READ_BYTES = 4 << 20;

/** The nodes are handed to the walk in batches. */
const NODE_BATCH = 256;

/**
 * Computes the DAG of files that a person chose: the same CID that `shoal share` gives.
 *
 * @param files one with the path `''`, or the files of a directory
 * @throws ERR_FILE_CHANGED, ERR_UNSAFE_NAME, ERR_DUPLICATE_NAME, ERR_TOO_DEEP, ERR_CHUNK_SIZE
 */
export async function importFiles(
  files: readonly FileToShare[],
  options: ImportFilesOptions,
): Promise<SharedFiles> {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const nodes = new Map<string, Uint8Array>();
  let bytes = 0;
  const { cid: root } = await importTree(treeOf(files, options.emptyFolders), {
    chunkSize: options.chunkSize,
    signal: options.signal,
    onNode: (cid, node) => void nodes.set(cid.toString(), node),
    onBytes: (more) => {
      bytes += more;
      options.onProgress?.(bytes, total);
    },
  });
  const shared = await sharedFiles(root, options.name, nodes, files);
  if (shared) return shared;
  throw new ShoalError(
    'ERR_FILE_CHANGED',
    `${options.name ?? 'the file'} was changed while it was read; share it again`,
  );
}

/**
 * Files to be served as an asset whose nodes are known, without reading more of them than a root that is a chunk.
 *
 * @param nodes by text CID
 * @returns undefined where not all nodes are there
 * @throws ERR_FILE_CHANGED where that chunk cannot be read
 */
export async function sharedFiles(
  root: CID,
  name: string | undefined,
  nodes: ReadonlyMap<string, Uint8Array>,
  files: readonly FileToShare[],
): Promise<SharedFiles | undefined> {
  const walk = new DagWalk(root);
  while (!walk.done) {
    let added = 0;
    for (const cid of walk.needs(NODE_BATCH)) {
      const node =
        nodes.get(cid.toString()) ?? (root.code === RAW_CODE ? await rawRoot(name, files) : undefined);
      if (node && (await walk.add(cid, node)) === 'ok') added++;
    }
    if (added === 0) return undefined;
  }
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  return new SharedFiles(walk.manifest(), name, nodes, byPath);
}

/** A file of one chunk is its own root. */
async function rawRoot(name: string | undefined, files: readonly FileToShare[]): Promise<Uint8Array> {
  const [first] = files;
  // No chunk is larger: another file is not read into memory.
  return first ? readPart(name, first.file, 0, MAX_LEAF_BYTES + 1) : new Uint8Array();
}

/** @throws ERR_FILE_CHANGED where the browser does not read it */
async function readPart(name: string | undefined, file: Blob, from: number, to: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(from, to).arrayBuffer());
  } catch (cause) {
    throw new ShoalError(
      'ERR_FILE_CHANGED',
      `${name || 'the file'} cannot be read: it was changed or moved after it was chosen, or is no file; choose it again`,
      { cause },
    );
  }
}

function treeOf(files: readonly FileToShare[], emptyFolders: readonly string[] = []): SourceEntry {
  const [first] = files;
  if (first?.path === '' && files.length === 1 && emptyFolders.length === 0) return fileEntry('', first.file);
  const top: Folder = { files: new Map(), folders: new Map() };
  for (const { path, file } of files) {
    const parts = path.split('/');
    checkNames(path, parts);
    const name = parts.pop() as string;
    const folder = folderAt(top, parts);
    if (folder.files.has(name)) {
      throw new ShoalError(
        'ERR_DUPLICATE_NAME',
        `${JSON.stringify(path)} is there twice; give one another name`,
      );
    }
    folder.files.set(name, file);
  }
  for (const path of emptyFolders) {
    const parts = path === '' ? [] : path.split('/');
    checkNames(path, parts);
    folderAt(top, parts);
  }
  return folderEntry('', top);
}

/** @throws ERR_UNSAFE_NAME */
function checkNames(path: string, parts: readonly string[]): void {
  if (parts.every(isSafeName)) return;
  throw new ShoalError(
    'ERR_UNSAFE_NAME',
    `${JSON.stringify(path)} has a name that not every system can store safely; rename it`,
  );
}

/** Makes a folder, and those above it, unless they are there. */
function folderAt(top: Folder, parts: readonly string[]): Folder {
  let folder = top;
  for (const part of parts) {
    const below: Folder = folder.folders.get(part) ?? { files: new Map(), folders: new Map() };
    folder.folders.set(part, below);
    folder = below;
  }
  return folder;
}

interface Folder {
  files: Map<string, Blob>;
  folders: Map<string, Folder>;
}

function folderEntry(name: string, { files, folders }: Folder): SourceDirectory {
  return {
    type: 'directory',
    name,
    children: async function* () {
      for (const [child, file] of files) yield fileEntry(child, file);
      for (const [child, folder] of folders) yield folderEntry(child, folder);
    },
  };
}

function fileEntry(name: string, file: Blob): SourceFile {
  return { type: 'file', name, size: file.size, open: () => piecesOf(name, file) };
}

/** Reads ahead of whoever hashes. */
async function* piecesOf(name: string, file: Blob): AsyncGenerator<Uint8Array> {
  const read = (at: number): Promise<Uint8Array> => readPart(name, file, at, at + READ_BYTES);
  let next = file.size > 0 ? read(0) : undefined;
  for (let at = READ_BYTES; next; at += READ_BYTES) {
    const piece = await next;
    next = at < file.size ? read(at) : undefined;
    // Nobody may come back for it.
    next?.catch(() => {});
    yield piece;
  }
}
