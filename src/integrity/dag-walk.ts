import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { decodeNode } from './decode-node.ts';
import type { DagNode, DirectoryLink, FileNode, ShardNode } from './decode-node.ts';
import { ManifestBuilder, tooLarge } from './dag-manifest.ts';
import { DEFAULT_LIMITS, EMPTY_DIGEST, MAX_LEAF_BYTES, MAX_NODE_BYTES } from './limits.ts';
import type { WalkLimits } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { DAG_PB_CODE, RAW_CODE, SHA256_CODE, cidOf } from './parse-cid.ts';
import { digestOf } from './sha256.ts';
import { digestEquals } from './verified-chunk.ts';

/** What a child of the root directory is, as far as the root alone tells. */
export interface RootChild {
  name: string;
  /** `'file'` where the root proves it; undefined where only the child's own node tells. */
  type: 'file' | undefined;
  /** Bytes of a file that is one leaf: exact. Otherwise what the publisher claims its DAG takes: unproven. */
  tsize: number | undefined;
}

/** What the root node alone tells. */
export type RootInfo =
  | { type: 'file'; size: number }
  | { type: 'symlink'; size: undefined; target: string }
  /** `complete` is false where the directory is sharded and more names are in nodes further down. */
  | { type: 'directory'; size: undefined; children: readonly RootChild[]; complete: boolean };

interface KnownNode {
  cid: CID;
  node: DagNode;
  /** Whether the manifest lists it already. */
  listed: boolean;
}

/**
 * A walk over an asset's interior nodes from the root down, which ends in its {@link Manifest}. It does no I/O: ask
 * {@link needs} which nodes it wants next, fetch them from anybody, hand them to {@link add}, and do so again until
 * {@link done}. Every node is checked against the hash its parent names it by, and announced sizes against each
 * other; a node's arrival order makes no difference to the manifest.
 *
 * Leaves are never asked for, with one exception: where the root itself is a leaf (a file of one chunk), its size is
 * known only from its bytes.
 */
export class DagWalk {
  readonly root: CID;
  readonly #limits: WalkLimits;
  readonly #nodes = new Map<string, KnownNode>();
  readonly #wanted = new Map<string, { cid: CID; depth: number }>();
  #nodeBytes = 0;
  #rootInfo: RootInfo | undefined;
  #manifest: Manifest | undefined;
  #failure: unknown;

  /**
   * @param root as `parseCid` gives it
   * @param limits what the asset may cost at most; defaults to {@link DEFAULT_LIMITS}
   * @throws ERR_UNSUPPORTED_CID
   */
  constructor(root: CID, limits: Partial<WalkLimits> = {}) {
    if (root.multihash.code !== SHA256_CODE || root.multihash.digest.byteLength !== 32) {
      throw new ShoalError(
        'ERR_UNSUPPORTED_CID',
        `${root.toString()} does not name an asset by its sha2-256`,
      );
    }
    if (root.code !== RAW_CODE && root.code !== DAG_PB_CODE) {
      throw new ShoalError('ERR_UNSUPPORTED_CID', `${root.toString()} does not name a UnixFS asset`);
    }
    this.root = root;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    if (root.code === RAW_CODE && digestEquals(root.multihash.digest, EMPTY_DIGEST)) this.#addRawRoot(0);
    else this.#wanted.set(keyOf(root.multihash.digest), { cid: root, depth: 1 });
  }

  /** Whether the whole DAG is known and {@link manifest} may be called. */
  get done(): boolean {
    return this.#manifest !== undefined;
  }

  /** Up to `max` nodes to fetch next, those nearest to the root first. The same ones again until they are added. */
  needs(max: number): CID[] {
    const cids: CID[] = [];
    if (this.#failure !== undefined) return cids;
    for (const { cid } of this.#wanted.values()) {
      if (cids.length >= max) break;
      cids.push(cid);
    }
    return cids;
  }

  /**
   * Takes a node.
   *
   * @returns `'mismatch'` where the bytes are not what the CID names: whoever sent them lied. `'unwanted'` where the
   * walk does not need it (any more)
   * @throws ERR_ASSET_INVALID, ERR_UNSUPPORTED_DAG, ERR_ASSET_TOO_LARGE, all with fault `'none'`: the bytes are what
   * the root names, but no asset that can be fetched, so that no peer is to blame. The walk has ended then.
   */
  async add(cid: CID, bytes: Uint8Array): Promise<'ok' | 'mismatch' | 'unwanted'> {
    if (this.#failure !== undefined) throw this.#failure;
    const key = keyOf(cid.multihash.digest);
    const wanted = this.#wanted.get(key);
    if (!wanted || wanted.cid.code !== cid.code) return 'unwanted';
    const found = digestOf(bytes);
    if (!digestEquals(found instanceof Uint8Array ? found : await found, wanted.cid.multihash.digest))
      return 'mismatch';
    // In browsers another copy may have come in while this one was hashed.
    if (!this.#wanted.has(key)) return 'unwanted';
    try {
      this.#wanted.delete(key);
      if (wanted.cid.code === RAW_CODE) this.#addRawRoot(bytes.byteLength);
      else this.#addNode(key, wanted.cid, wanted.depth, bytes);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    return 'ok';
  }

  /** What the root alone tells; undefined until it has been added. */
  rootInfo(): RootInfo | undefined {
    return this.#rootInfo;
  }

  /** @throws ERR_INCOMPLETE before the walk is {@link done} */
  manifest(): Manifest {
    if (!this.#manifest)
      throw new ShoalError(
        'ERR_INCOMPLETE',
        `Not all nodes of ${this.root.toString()} are here yet; fetch them first`,
      );
    return this.#manifest;
  }

  #addRawRoot(size: number): void {
    if (size > MAX_LEAF_BYTES) {
      throw new ShoalError(
        'ERR_UNSUPPORTED_DAG',
        `${this.root.toString()} is one leaf of ${size} bytes; at most ${MAX_LEAF_BYTES} are supported`,
        {
          fault: 'none',
        },
      );
    }
    const builder = new ManifestBuilder(this.root, this.#limits);
    builder.leaf(this.root.multihash.digest, 0, size);
    builder.endFile([]);
    this.#rootInfo = { type: 'file', size };
    this.#manifest = builder.build('file');
  }

  #addNode(key: string, cid: CID, depth: number, bytes: Uint8Array): void {
    this.#nodeBytes += bytes.byteLength;
    if (bytes.byteLength > MAX_NODE_BYTES) throw tooLarge(`a node of ${bytes.byteLength} bytes`);
    if (this.#nodeBytes > this.#limits.maxNodeBytes)
      throw tooLarge(`more than ${this.#limits.maxNodeBytes} bytes of nodes`);
    // A copy, because links keep views of it: what was handed in may be a part of a far larger receive buffer.
    const node = decodeNode(cid, new Uint8Array(bytes));
    this.#nodes.set(key, { cid, node, listed: false });
    this.#rootInfo ??= rootInfoOf(node);
    this.#want(node, depth + 1);
    if (this.#wanted.size === 0) this.#assemble();
  }

  /** Queues the interior children that are neither known nor queued. */
  #want(node: DagNode, depth: number): void {
    for (const digest of interiorChildren(node)) {
      const key = keyOf(digest);
      if (this.#nodes.has(key) || this.#wanted.has(key)) continue;
      if (depth > this.#limits.maxDepth) throw tooLarge(`more than ${this.#limits.maxDepth} levels`);
      if (this.#nodes.size + this.#wanted.size >= this.#limits.maxNodes)
        throw tooLarge(`more than ${this.#limits.maxNodes} nodes`);
      this.#wanted.set(key, { cid: cidOf(DAG_PB_CODE, digest.slice()), depth });
    }
  }

  /** All nodes are here: goes through them depth first, which gives the entries and numbers the chunks. */
  #assemble(): void {
    const builder = new ManifestBuilder(this.root, this.#limits);
    const type = new Assembly(this.#nodes, builder, this.#limits).run(this.root);
    this.#manifest = builder.build(type);
    this.#nodes.clear();
  }
}

/** The depth-first pass over a complete DAG. */
class Assembly {
  readonly #nodes: ReadonlyMap<string, KnownNode>;
  readonly #builder: ManifestBuilder;
  readonly #limits: WalkLimits;
  #visits = 0;

  constructor(nodes: ReadonlyMap<string, KnownNode>, builder: ManifestBuilder, limits: WalkLimits) {
    this.#nodes = nodes;
    this.#builder = builder;
    this.#limits = limits;
  }

  run(root: CID): Manifest['type'] {
    return this.#entry(root.multihash.digest, [], 1);
  }

  /** Visits whatever the entry at `path` is. */
  #entry(digest: Uint8Array, path: readonly string[], depth: number): Manifest['type'] {
    const node = this.#visit(digest, 0, depth);
    switch (node.type) {
      case 'file':
        this.#fileParts(node, depth);
        this.#builder.endFile(path);
        return 'file';
      case 'symlink':
        this.#builder.symlink(path, node.target);
        return 'symlink';
      default:
        if (path.length > 0) this.#builder.directory(path);
        this.#directory(node.type === 'shard' ? this.#shardLinks(node, depth) : node.links, path, depth);
        return 'directory';
    }
  }

  #directory(links: Iterable<DirectoryLink>, path: readonly string[], depth: number): void {
    const names = new Set<string>();
    for (const { name, digest, isLeaf, tsize } of links) {
      if (names.has(name))
        throw invalid(`has two entries named ${JSON.stringify([...path, name].join('/'))}`);
      names.add(name);
      const childPath = [...path, name];
      if (isLeaf) {
        this.#builder.leaf(digest, 0, tsize as number);
        this.#builder.endFile(childPath);
      } else {
        this.#entry(digest, childPath, depth + 1);
      }
    }
  }

  /** The entries of a sharded directory, sub-shards in the place where they hang. */
  *#shardLinks(shard: ShardNode, depth: number): Iterable<DirectoryLink> {
    for (const link of shard.links) {
      if (link.name !== '') {
        yield link;
        continue;
      }
      const child = this.#visit(link.digest, 0, depth + 1);
      if (child.type !== 'shard' || child.fanout !== shard.fanout)
        throw invalid('has a sharded directory with a part that is no shard');
      yield* this.#shardLinks(child, depth + 1);
    }
  }

  #fileParts(file: FileNode, depth: number): void {
    for (let i = 0; i < file.sizes.length; i++) {
      const size = file.sizes[i] as number;
      if (file.isLeaf[i] === 1) {
        this.#builder.leaf(file.digests, i * 32, size);
        continue;
      }
      const child = this.#visit(file.digests, i * 32, depth + 1);
      if (child.type !== 'file') throw invalid(`has a file with a ${child.type} inside`);
      if (child.size !== size)
        throw invalid(`announces a part of a file with ${size} bytes that has ${child.size}`);
      this.#fileParts(child, depth + 1);
    }
  }

  /** Looks a node up, counting each visit: nodes can be linked to many times, and so make few bytes a huge tree. */
  #visit(digests: Uint8Array, at: number, depth: number): DagNode {
    if (depth > this.#limits.maxDepth) throw tooLarge(`more than ${this.#limits.maxDepth} levels`);
    if (++this.#visits > this.#limits.maxNodes) throw tooLarge(`more than ${this.#limits.maxNodes} nodes`);
    const known = this.#nodes.get(keyOf(digests, at)) as KnownNode;
    if (!known.listed) this.#builder.node(known.cid);
    known.listed = true;
    return known.node;
  }
}

function invalid(what: string): ShoalError {
  return new ShoalError('ERR_ASSET_INVALID', `The asset ${what}; its publisher must share it again`, {
    fault: 'none',
  });
}

function* interiorChildren(node: DagNode): Iterable<Uint8Array> {
  if (node.type === 'symlink') return;
  if (node.type !== 'file') {
    for (const link of node.links) if (!link.isLeaf) yield link.digest;
    return;
  }
  for (let i = 0; i < node.sizes.length; i++) {
    if (node.isLeaf[i] === 0) yield node.digests.subarray(i * 32, i * 32 + 32);
  }
}

function rootInfoOf(node: DagNode): RootInfo {
  if (node.type === 'file') return { type: 'file', size: node.size };
  if (node.type === 'symlink') return { type: 'symlink', size: undefined, target: node.target };
  const named = node.links.filter(({ name }) => name !== '');
  return {
    type: 'directory',
    size: undefined,
    children: named.map(({ name, isLeaf, tsize }) => ({ name, type: isLeaf ? 'file' : undefined, tsize })),
    complete: named.length === node.links.length,
  };
}

/** A digest as a map key. Shorter-lived and cheaper than a CID's text. */
function keyOf(digests: Uint8Array, at = 0): string {
  return String.fromCharCode(...digests.subarray(at, at + 32));
}
