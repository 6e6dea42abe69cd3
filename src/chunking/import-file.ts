import { pipe } from 'it-pipe';
import { ShoalError } from '../errors.ts';
import { RAW_CODE, cidOf } from '../integrity/parse-cid.ts';
import { checkChunkSize, chunkSizeFor, MAX_CHUNK_SIZE } from './chunk-size.ts';
import type { OnNode } from './encode-node.ts';
import { FileTree } from './file-tree.ts';
import type { FileRoot } from './file-tree.ts';
import { hashLeaves } from './hash-leaves.ts';
import type { Leaf } from './hash-leaves.ts';

/** Links of a full interior node, from the UnixFS profile `unixfs-v1-2025` (IPIP-0499). */
const LINKS_PER_NODE = 1024;

export interface ImportFileOptions {
  /** Content bytes that are to come; decides the chunk size. */
  size: number;
  /** A power of two from 1 KiB to 1 MiB. Default {@link chunkSizeFor} the size. */
  chunkSize?: number;
  /** What the file is called in messages. Default "the content". */
  name?: string;
  /** Takes each interior node. A file of one leaf has none. */
  onNode: OnNode;
  /** Called for each leaf in file order. */
  onLeaf?: (index: number, digest: Uint8Array, size: number) => void;
  /** Called with the number of bytes just taken from the content, at most 1 MiB at a time. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
  /** Links of a full node; only tests choose another number than 1,024. */
  linksPerNode?: number;
}

/** What a file became. */
export interface ImportedFile extends FileRoot {
  type: 'file';
  chunkSize: number;
}

/**
 * Computes the DAG of a file: UnixFS, CIDv1, raw leaves, sha2-256, balanced, 1,024 links a node; the same CID as
 * `ipfs-unixfs-importer` and `ipfs add` give with that chunk size. Content streams through a pipeline
 * (check → cut and hash → build) without being copied; memory is bounded by one piece and the links that wait for
 * a parent.
 *
 * @param content pieces of any size. Large ones (1 MiB, at a multiple of the chunk size) are hashed fastest
 * @throws ERR_CHUNK_SIZE; ERR_FILE_CHANGED where the content is longer or shorter than `size`: it changed while it was
 * read. What the content, `onNode` or the signal throws comes through as it is
 */
export async function importFile(
  content: AsyncIterable<Uint8Array>,
  options: ImportFileOptions,
): Promise<ImportedFile> {
  const { onNode, onLeaf, linksPerNode = LINKS_PER_NODE } = options;
  const chunkSize = chunkSizeOf(options);
  const root = await pipe(content, checkLength(options), hashLeaves(chunkSize), (leaves) =>
    buildTree(leaves, new FileTree(linksPerNode, onNode), onLeaf),
  );
  return { type: 'file', ...root, chunkSize };
}

/**
 * As {@link importFile}, of content that is cut and hashed elsewhere.
 *
 * @param leaves called with the chunk size; gives the leaves in order
 */
export async function importLeaves(
  leaves: (chunkSize: number) => AsyncIterable<readonly Leaf[]>,
  options: ImportFileOptions,
): Promise<ImportedFile> {
  const {
    size,
    name = 'the content',
    onNode,
    onLeaf,
    onBytes,
    signal,
    linksPerNode = LINKS_PER_NODE,
  } = options;
  const chunkSize = chunkSizeOf(options);
  async function* counted(): AsyncGenerator<readonly Leaf[]> {
    signal?.throwIfAborted();
    for await (const batch of leaves(chunkSize)) {
      signal?.throwIfAborted();
      for (const leaf of batch) onBytes?.(leaf.size);
      yield batch;
    }
  }
  const root = await buildTree(counted(), new FileTree(linksPerNode, onNode), onLeaf);
  if (root.size !== size) throw changed(name, size, root.size > size ? 'more' : `only ${root.size}`);
  return { type: 'file', ...root, chunkSize };
}

/** As {@link importFile}, of content that is one leaf and was hashed already. */
export function importOneLeaf(digest: Uint8Array, options: ImportFileOptions): ImportedFile {
  const { size, onLeaf, onBytes } = options;
  onLeaf?.(0, digest, size);
  if (size > 0) onBytes?.(size);
  const cid = cidOf(RAW_CODE, digest);
  return { type: 'file', cid, size, tsize: size, leaves: 1, nodes: 0, chunkSize: chunkSizeOf(options) };
}

function chunkSizeOf({ size, chunkSize }: ImportFileOptions): number {
  return chunkSize === undefined ? chunkSizeFor(size) : checkChunkSize(chunkSize);
}

/**
 * A pipeline stage that counts, and cuts pieces at every MiB of the content: so progress, aborts and the work of one
 * turn have a bound, and no leaf is torn, since every chunk size divides a MiB.
 */
function checkLength({ size, name = 'the content', onBytes, signal }: ImportFileOptions) {
  return async function* (content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let total = 0;
    signal?.throwIfAborted();
    for await (const piece of content) {
      if (total + piece.byteLength > size) throw changed(name, size, 'more');
      for (let pos = 0; pos < piece.byteLength;) {
        signal?.throwIfAborted();
        const take = Math.min(piece.byteLength - pos, MAX_CHUNK_SIZE - (total % MAX_CHUNK_SIZE));
        yield piece.subarray(pos, pos + take);
        pos += take;
        total += take;
        onBytes?.(take);
      }
    }
    signal?.throwIfAborted();
    if (total < size) throw changed(name, size, `only ${total}`);
  };
}

function changed(name: string, size: number, found: string): ShoalError {
  const message = `${name} changed while it was read: ${size} bytes were expected and there are ${found}; try again when nothing writes to it`;
  return new ShoalError('ERR_FILE_CHANGED', message);
}

async function buildTree(
  batches: AsyncIterable<readonly Leaf[]>,
  tree: FileTree,
  onLeaf: ImportFileOptions['onLeaf'],
): Promise<FileRoot> {
  let index = 0;
  for await (const leaves of batches) {
    for (const leaf of leaves) {
      onLeaf?.(index++, leaf.digest, leaf.size);
      if (tree.push(leaf)) await tree.settle();
    }
  }
  return tree.finish();
}
