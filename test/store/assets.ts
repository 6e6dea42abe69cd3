import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CID } from 'multiformats/cid';
import { importTree, type SourceEntry } from '../../src/chunking/import-tree.ts';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { Manifest } from '../../src/integrity/manifest.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { VerifiedChunk } from '../../src/integrity/verified-chunk.ts';
import type { Store, StoredAsset } from '../../src/store/store.ts';

/** Files by path, `null` for an empty folder, `{ link }` for a symbolic link. */
export type Tree = { [path: string]: Uint8Array | null | { link: string } };

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export async function writeTree(base: string, tree: Tree): Promise<void> {
  await mkdir(base, { recursive: true });
  for (const [path, content] of Object.entries(tree)) {
    const full = join(base, path);
    await mkdir(dirname(full), { recursive: true });
    if (content === null) await mkdir(full, { recursive: true });
    else if (content instanceof Uint8Array) await writeFile(full, content);
    else await symlink(content.link, full);
  }
}

/** An asset that lies nowhere on disk: what the swarm would deliver. */
export interface RemoteAsset {
  root: CID;
  manifest: Manifest;
  nodes: { cid: CID; bytes: Uint8Array }[];
  chunk(n: number): Promise<VerifiedChunk>;
}

/** The chunk size of test assets: small, so that little content makes many chunks. */
export const CHUNK = 1024;

export function remoteFile(content: Uint8Array, chunkSize = CHUNK): Promise<RemoteAsset> {
  return remote(
    { type: 'file', name: 'file', size: content.byteLength, open: () => once(content) },
    chunkSize,
    [content],
  );
}

/** A tree given as nested objects, so that it can have names that no disk would take. */
export type RemoteTree = { [name: string]: Uint8Array | { link: string } | { entries: RemoteTree } };

export function remoteTree(tree: RemoteTree, chunkSize = CHUNK): Promise<RemoteAsset> {
  const contents: Uint8Array[] = [];
  const entry = (name: string, value: RemoteTree[string]): SourceEntry => {
    if (value instanceof Uint8Array) {
      contents.push(value);
      return { type: 'file', name, size: value.byteLength, open: () => once(value) };
    }
    if ('link' in value) return { type: 'symlink', name, target: value.link };
    return folder(name, value.entries);
  };
  const folder = (name: string, entries: RemoteTree): SourceEntry => {
    const children = Object.entries(entries).map(([child, value]) => entry(child, value));
    return { type: 'directory', name, children: () => once(...children) };
  };
  return remote(folder('tree', tree), chunkSize, contents);
}

export function remoteLink(target: string): Promise<RemoteAsset> {
  return remote({ type: 'symlink', name: 'link', target }, CHUNK, []);
}

async function remote(source: SourceEntry, chunkSize: number, contents: Uint8Array[]): Promise<RemoteAsset> {
  const nodes: RemoteAsset['nodes'] = [];
  const { cid: root } = await importTree(source, {
    chunkSize,
    onNode: (cid, bytes) => void nodes.push({ cid, bytes }),
  });
  const byDigest = new Map<string, Uint8Array>();
  for (const content of contents) {
    for (let at = 0; at < content.byteLength; at += chunkSize) {
      const chunk = content.slice(at, at + chunkSize);
      byDigest.set(Buffer.from(sha256(chunk)).toString('hex'), chunk);
    }
  }
  const raw = byDigest.get(Buffer.from(root.multihash.digest).toString('hex'));
  if (raw) nodes.push({ cid: root, bytes: raw });
  const walk = new DagWalk(root);
  for (let i = nodes.length - 1; !walk.done; i = i === 0 ? nodes.length - 1 : i - 1) {
    const node = nodes[i] as RemoteAsset['nodes'][number];
    await walk.add(node.cid, node.bytes);
  }
  const manifest = walk.manifest();
  return {
    root,
    manifest,
    nodes,
    chunk: (n) => {
      const digest = manifest.chunkDigest(n);
      return VerifiedChunk.expect(
        digest,
        byDigest.get(Buffer.from(digest).toString('hex')) as Uint8Array,
        `chunk ${n}`,
      );
    },
  };
}

async function* once<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** Puts all nodes of an asset into a store, as if they had been fetched. */
export async function putNodes(store: Store, asset: RemoteAsset): Promise<void> {
  for (const { cid, bytes } of asset.nodes.toReversed()) await store.putNode(asset.root, cid, bytes);
}

/** Writes chunks as if they had been fetched; all of them where none are named. */
export async function writeChunks(stored: StoredAsset, asset: RemoteAsset, chunks?: number[]): Promise<void> {
  const all = chunks ?? Array.from({ length: asset.manifest.chunkCount }, (_, n) => n);
  await Promise.all(all.map(async (n) => stored.write(n, await asset.chunk(n))));
}

/** Downloads an asset into a store as a whole. */
export async function download(
  store: Store,
  asset: RemoteAsset,
  path: string | undefined,
  options: { force?: boolean } = {},
): Promise<StoredAsset> {
  await putNodes(store, asset);
  const stored = await store.startDownload(asset.root, { path, ...options });
  await writeChunks(stored, asset);
  await stored.finish(options);
  return stored;
}

/** Reads every chunk that an asset has. */
export async function readAll(stored: StoredAsset): Promise<number> {
  const have = stored.have();
  let read = 0;
  for (let n = 0; n < have.size; n++) if (have.has(n) && (await stored.read(n))) read++;
  return read;
}

export async function sameFile(path: string, content: Uint8Array): Promise<boolean> {
  return Buffer.compare(await readFile(path), content) === 0;
}

/** The asset that `kill-writer.ts` writes until it is killed. Chunks recur, so that some have several places. */
export type KillKind = 'file' | 'folder' | 'many files';

export function killAsset(which: KillKind): Promise<RemoteAsset> {
  // As many as there are chunks in the others, each with a file of its own.
  if (which === 'many files')
    return remoteTree(
      Object.fromEntries(Array.from({ length: 340 }, (_, i) => [`f${i}`, bytesOf(CHUNK, i)])),
    );
  const recurring = bytesOf(40 * CHUNK, 5);
  if (which === 'folder')
    return remoteTree({ a: bytesOf(300 * CHUNK), b: recurring, c: { entries: { d: recurring } } });
  return remoteFile(Buffer.concat([bytesOf(300 * CHUNK), recurring, recurring]));
}
