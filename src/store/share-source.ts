import { open, realpath, rm } from 'node:fs/promises';
import { basename, resolve, sep } from 'node:path';
import type { CID } from 'multiformats/cid';
import { checkChunkSize } from '../chunking/chunk-size.ts';
import { importTree } from '../chunking/import-tree.ts';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import type { AssetEntry, Place } from './asset-entry.ts';
import type { Catalog } from './catalog.ts';
import { FileStamps } from './file-stamps.ts';
import { withFsErrors } from './fs-error.ts';
import type { KeyLock } from './key-lock.ts';
import { NodeBatch } from './node-batch.ts';
import { newId } from './node-index.ts';
import { orAbort } from './or-abort.ts';
import { placeContent } from './placing.ts';
import { readFilePart, writeFilePart } from './read-file-part.ts';
import { checkSpace, hasSpace } from './space.ts';
import type { AssetRecord, ContentSource, ShareOptions } from './store.ts';
import { SourceWalk } from './walk-source.ts';

/** How much of a stream is taken in between two looks at the free space. */
const SPACE_CHECK_BYTES = 8 * 1024 * 1024;

/** What an import found, before it is in the catalog. */
interface Imported {
  root: CID;
  nodes: string;
  walk: SourceWalk;
  name: string | undefined;
}

/**
 * Shares a path where it lies: only its interior nodes, a record and its files' stamps are kept.
 *
 * @throws ERR_NOT_FOUND, ERR_ACCESS, ERR_UNSUPPORTED_FILE, ERR_DATA_DIR_SHARED, ERR_FILE_CHANGED, ERR_UNSAFE_NAME, ERR_CHUNK_SIZE
 */
export async function sharePath(
  catalog: Catalog,
  lock: KeyLock,
  source: string,
  options: ShareOptions,
): Promise<AssetRecord> {
  const path = resolve(source);
  await checkNotInside(catalog, path);
  const name = (options.name ?? basename(path)) || undefined;
  const imported = await importPath(catalog, path, name, options);
  const place: Place = { id: newId(), kind: 'shared', path };
  const task = (): Promise<AssetRecord> => commit(catalog, imported, path, place);
  return whenFree(catalog, lock, imported, task, options.signal);
}

/**
 * Takes content into the data folder and shares it from there. It is written down whole first, since its size decides
 * how it is cut.
 *
 * @throws ERR_NO_SPACE, ERR_DISK_FULL, ERR_SHARE_SOURCE, ERR_SIZE_MISMATCH, ERR_CHUNK_SIZE, and what the content throws
 */
export async function shareContent(
  catalog: Catalog,
  lock: KeyLock,
  source: ContentSource,
  options: ShareOptions,
): Promise<AssetRecord> {
  // Before a stream is read that nobody can give again.
  if (options.chunkSize !== undefined) checkChunkSize(options.chunkSize);
  const spool = catalog.folder.newSpoolPath();
  try {
    await fillSpool(catalog.folder.path, spool, source, options.signal);
    const imported = await importPath(catalog, spool, options.name ?? source.name, options);
    const { root } = imported;
    const task = (): Promise<AssetRecord> =>
      placeContent(catalog, root, spool, (path) =>
        commit(catalog, imported, path, { id: newId(), kind: 'shared' }),
      );
    return await whenFree(catalog, lock, imported, task, options.signal);
  } finally {
    // What cannot be deleted now is at the next start.
    await rm(spool, { force: true }).catch(() => {});
  }
}

async function importPath(
  catalog: Catalog,
  path: string,
  name: string | undefined,
  { chunkSize, signal, onProgress }: ShareOptions,
): Promise<Imported> {
  const walk = new SourceWalk(catalog.folder, path, catalog.small.workers, chunkSize, catalog.seals);
  const entry = await walk.root();
  const total = entry.type === 'file' ? entry.size : undefined;
  const nodes = newId();
  const batch = new NodeBatch(catalog.folder.index, nodes);
  let bytes = 0;
  try {
    const { cid } = await importTree(entry, {
      chunkSize,
      signal,
      onNode: (node, block) => batch.add(node, block),
      onBytes: (count) => onProgress?.((bytes += count), total),
    });
    await batch.flush();
    return { root: cid, nodes, walk, name };
  } catch (error) {
    // Where the index fails too, the next start deletes what nobody refers to.
    await catalog.folder.index.deleteNodes(nodes).catch(() => {});
    throw error;
  }
}

/** Runs what puts an import into the catalog when the root is free. Where it does not come to that its nodes are of no use. */
async function whenFree(
  catalog: Catalog,
  lock: KeyLock,
  { root, nodes }: Imported,
  task: () => Promise<AssetRecord>,
  signal: AbortSignal | undefined,
): Promise<AssetRecord> {
  try {
    return await lock.run(root.toString(), task, signal);
  } catch (error) {
    if (catalog.entry(root)?.nodes !== nodes) await catalog.folder.index.deleteNodes(nodes).catch(() => {});
    throw error;
  }
}

/**
 * Puts an import into the catalog, in one step: what was known of the root before stays known.
 *
 * @returns its record, which `remove` may take away as soon as the root's lock is free
 */
async function commit(
  catalog: Catalog,
  imported: Imported,
  base: string,
  place: Place,
): Promise<AssetRecord> {
  const { root, nodes, walk, name } = imported;
  const { index } = catalog.folder;
  const manifest = await loadManifest(catalog, root, nodes, base);
  const stamps = new FileStamps(manifest.entries.length);
  for (const [i, { type, path }] of manifest.entries.entries()) {
    const stamp = type === 'file' ? walk.stamp(path) : undefined;
    if (stamp) stamps.set(i, stamp);
  }
  const before = catalog.entry(root);
  const entry: AssetEntry = {
    v: 1,
    nodes,
    name: name ?? before?.name,
    type: manifest.type,
    bytes: manifest.size,
    chunkBytes: manifest.chunkBytes,
    chunks: manifest.chunkCount,
    places: before?.places ?? [],
    download: before?.download,
    aside: before?.aside,
  };
  await catalog.putPlace(root, entry, place, stamps);
  if (before) await index.deleteNodes(before.nodes);
  return catalog.record(root) as AssetRecord;
}

async function loadManifest(catalog: Catalog, root: CID, nodes: string, base: string): Promise<Manifest> {
  const walk = await catalog.walk(root, nodes);
  if (!walk.done && root.code === RAW_CODE) {
    const content = await withFsErrors('read', base, async () => {
      const handle = await open(base, 'r');
      try {
        return await readFilePart(handle, 0, (await handle.stat()).size);
      } finally {
        await handle.close();
      }
    });
    if ((await walk.add(root, content)) !== 'ok')
      throw new ShoalError('ERR_FILE_CHANGED', `${base} changed while it was being shared; share it again`);
  }
  return walk.manifest();
}

async function fillSpool(
  folder: string,
  spool: string,
  { content, size }: ContentSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (size !== undefined) await checkSpace(folder, size, 'the content');
  const handle = await withFsErrors('write', spool, () => open(spool, 'wx', 0o600));
  let bytes = 0;
  let checkedTo = 0;
  try {
    for await (const piece of untilAborted(content, signal)) {
      // A stream with an encoding gives text, which has no `byteLength`: it would pass as nothing.
      if (!ArrayBuffer.isView(piece)) throw notBytes(piece);
      if (bytes + piece.byteLength > checkedTo) {
        const ahead = piece.byteLength + SPACE_CHECK_BYTES;
        // Near a full disk each piece is checked: it may be the last one.
        const isRoomy = await hasSpace(folder, ahead);
        if (!isRoomy) await checkSpace(folder, piece.byteLength, 'what comes next of the content');
        checkedTo = bytes + (isRoomy ? ahead : piece.byteLength);
      }
      await withFsErrors('write', spool, () => writeFilePart(handle, bytes, piece));
      bytes += piece.byteLength;
      if (size !== undefined && bytes > size) break;
    }
    await withFsErrors('write', spool, () => handle.sync());
  } finally {
    await handle.close();
  }
  signal?.throwIfAborted();
  if (size !== undefined && size !== bytes) {
    const found = bytes > size ? 'more came' : `${bytes} came`;
    throw new ShoalError(
      'ERR_SIZE_MISMATCH',
      `the content was to have ${size} bytes and ${found}; share it again whole`,
    );
  }
}

/** Content may keep whoever takes it waiting for as long as it likes. It is told that no more is wanted, and not waited for. */
async function* untilAborted<T>(
  content: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const pieces = content[Symbol.asyncIterator]();
  let isAtEnd = false;
  try {
    while (!isAtEnd) {
      const next = await orAbort(pieces.next(), signal).catch((error: unknown) => {
        // What has thrown has ended.
        isAtEnd = !signal?.aborted;
        throw error;
      });
      isAtEnd = next.done === true;
      if (!next.done) yield next.value;
    }
  } finally {
    if (!isAtEnd) void Promise.resolve(pieces.return?.()).catch(() => {});
  }
}

function notBytes(piece: unknown): ShoalError {
  return new ShoalError(
    'ERR_SHARE_SOURCE',
    `the content to share came as ${typeof piece} and not as bytes (Uint8Array); a stream gives bytes where no encoding is set`,
  );
}

async function checkNotInside(catalog: Catalog, path: string): Promise<void> {
  const real = await withFsErrors('read', path, () => realpath(path)).catch(() => path);
  const folder = await catalog.folder.realPath();
  if (real !== folder && !real.startsWith(`${folder}${sep}`)) return;
  throw new ShoalError(
    'ERR_DATA_DIR_SHARED',
    `${path} lies in Shoal's data folder, which holds this node's private key; share something outside of it`,
  );
}
