import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { MAX_DEPTH } from '../integrity/limits.ts';
import { isSafeName } from '../integrity/safe-name.ts';
import { checkChunkSize } from './chunk-size.ts';
import { CommonChunkSize } from './common-chunk-size.ts';
import { buildDirectory } from './directory-tree.ts';
import { encodeSymlink } from './encode-node.ts';
import type { NamedLink, OnNode } from './encode-node.ts';
import type { Leaf } from './hash-leaves.ts';
import { importFile, importLeaves, importOneLeaf } from './import-file.ts';

/** A file, directory or symbolic link to import. The root's name is of no consequence. */
export type SourceEntry = SourceFile | SourceDirectory | SourceSymlink;

export interface SourceFile {
  type: 'file';
  name: string;
  /** Content bytes. */
  size: number;
  /** Opens the content; called once. Closed by returning from the iteration. */
  open(): AsyncIterable<Uint8Array>;
  /** The sha2-256 digest of the content, where it was hashed already and is one leaf, whatever the chunk size. */
  digest?: Uint8Array | undefined;
  /** In place of `open`, where something else cuts and hashes: the leaves in order. Called once. */
  leaves?: ((chunkSize: number) => AsyncIterable<readonly Leaf[]>) | undefined;
}

export interface SourceDirectory {
  type: 'directory';
  name: string;
  /** What is in it, in any order; called once. */
  children(): AsyncIterable<SourceEntry>;
}

export interface SourceSymlink {
  type: 'symlink';
  name: string;
  /** The link's text, stored as it is and never followed. */
  target: string;
}

export interface ImportTreeOptions {
  /** Takes each interior node, children before parents. Equal ones come more than once. */
  onNode: OnNode;
  /** For every file. Default: `chunkSizeFor` each file's own size. */
  chunkSize?: number;
  /** Called with the number of content bytes just read. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** What a tree became. */
export interface ImportedTree {
  cid: CID;
  type: SourceEntry['type'];
  /** Content bytes of all files. */
  size: number;
  /** Content and interior nodes, bytes, repeated ones counted each time. */
  tsize: number;
  files: number;
  leaves: number;
  nodes: number;
  /** A chunk size with which one `ipfs add` gives this CID; undefined where files need different ones. */
  chunkSize: number | undefined;
  /** Whether `ipfs add` needs `Import.UnixFSHAMTDirectorySizeEstimation` set to `block` to give this CID. */
  needsBlockEstimation: boolean;
}

/**
 * Computes the DAG of a file, directory or link, with everything below it: plain and sharded directories, empty ones,
 * links as links. Modes and times are not stored, so that the same content has the same CID everywhere.
 *
 * @throws what `importFile` throws; ERR_UNSAFE_NAME for a name no receiver would accept; ERR_DUPLICATE_NAME;
 * ERR_TOO_DEEP; ERR_NAME_COLLISION
 */
export async function importTree(root: SourceEntry, options: ImportTreeOptions): Promise<ImportedTree> {
  // There may be no file to find it out by.
  if (options.chunkSize !== undefined) checkChunkSize(options.chunkSize);
  return new TreeImport(options).run(root);
}

class TreeImport {
  readonly #options: ImportTreeOptions;
  readonly #chunkSizes = new CommonChunkSize();
  #size = 0;
  #files = 0;
  #leaves = 0;
  #nodes = 0;
  #needsBlockEstimation = false;

  constructor(options: ImportTreeOptions) {
    this.#options = options;
  }

  async run(root: SourceEntry): Promise<ImportedTree> {
    const { cid, tsize } = await this.#entry(root, [root.name]);
    return {
      cid,
      type: root.type,
      size: this.#size,
      tsize,
      files: this.#files,
      leaves: this.#leaves,
      nodes: this.#nodes,
      chunkSize: this.#chunkSizes.value,
      needsBlockEstimation: this.#needsBlockEstimation,
    };
  }

  async #entry(entry: SourceEntry, path: readonly string[]): Promise<NamedLink> {
    this.#options.signal?.throwIfAborted();
    if (entry.type === 'file') return this.#file(entry, path);
    if (entry.type === 'directory') return this.#directory(entry, path);
    const { cid, bytes, tsize } = await encodeSymlink(entry.target);
    this.#nodes++;
    await this.#options.onNode(cid, bytes);
    return { name: entry.name, cid, tsize };
  }

  async #file(file: SourceFile, path: readonly string[]): Promise<NamedLink> {
    const { chunkSize, onNode, onBytes, signal } = this.#options;
    const options = { size: file.size, chunkSize, name: path.join('/'), onNode, onBytes, signal };
    const imported = file.digest
      ? importOneLeaf(file.digest, options)
      : await (file.leaves ? importLeaves(file.leaves, options) : importFile(file.open(), options));
    this.#chunkSizes.add(imported);
    this.#files++;
    this.#size += imported.size;
    this.#leaves += imported.leaves;
    this.#nodes += imported.nodes;
    return { name: file.name, cid: imported.cid, tsize: imported.tsize };
  }

  async #directory(directory: SourceDirectory, path: readonly string[]): Promise<NamedLink> {
    const links = new Map<string, NamedLink>();
    for await (const child of directory.children()) {
      const childPath = [...path, child.name];
      checkChild(child.name, childPath, links);
      links.set(child.name, await this.#entry(child, childPath));
    }
    const { node, nodes, needsBlockEstimation } = await buildDirectory(
      [...links.values()],
      this.#options.onNode,
    );
    this.#nodes += nodes;
    this.#needsBlockEstimation ||= needsBlockEstimation;
    return { name: directory.name, cid: node.cid, tsize: node.tsize };
  }
}

/** Shards and the nodes of a file come on top of a path's own levels: this many at most. */
const LEVELS_BELOW_A_NAME = 16;

function checkChild(name: string, path: readonly string[], siblings: ReadonlyMap<string, unknown>): void {
  const shown = JSON.stringify(path.join('/'));
  if (!isSafeName(name)) {
    throw new ShoalError(
      'ERR_UNSAFE_NAME',
      `${shown} has a name that not every system can store safely; rename it`,
    );
  }
  if (siblings.has(name)) {
    throw new ShoalError(
      'ERR_DUPLICATE_NAME',
      `${shown} is there twice (names that are not UTF-8 look alike); rename one`,
    );
  }
  if (path.length > MAX_DEPTH - LEVELS_BELOW_A_NAME) {
    throw new ShoalError('ERR_TOO_DEEP', `${shown} is nested too deep to share; move it further up`);
  }
}
