import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { KeptNode, PageRecords } from './page-records.ts';
import { storageError, unlessLost } from './storage-error.ts';

/** Nodes given to a walk at once. */
const BATCH = 256;

/** The interior nodes that a page keeps: hashed whenever they are read, so that none that was damaged is passed on. */
export class KeptNodes {
  readonly #records: PageRecords;

  constructor(records: PageRecords) {
    this.#records = records;
  }

  /** @throws ERR_IO, ERR_CLOSED */
  async get(root: CID, node: CID): Promise<Uint8Array | undefined> {
    const bytes = await this.#read(root.toString(), node);
    const verified = bytes && (await VerifiedChunk.verify(node.multihash.digest, bytes));
    return verified?.bytes;
  }

  /** Keeps nodes, all or none. @throws ERR_NO_SPACE, ERR_IO */
  async put(root: CID, nodes: readonly KeptNode[]): Promise<void> {
    try {
      await this.#records.putNodes(root.toString(), nodes);
    } catch (error) {
      throw await storageError(error, root.toString(), 'keep nodes');
    }
  }

  /** The manifest, each node checked from the root down; undefined where not all of them are here. */
  async manifest(root: CID, signal: AbortSignal | undefined): Promise<Manifest | undefined> {
    const walk = new DagWalk(root);
    while (!walk.done) {
      signal?.throwIfAborted();
      let added = 0;
      const needs = walk.needs(BATCH);
      const text = root.toString();
      const nodes = await Promise.all(needs.map((cid) => this.#read(text, cid)));
      for (const [i, cid] of needs.entries()) {
        const bytes = nodes[i];
        if (bytes && (await walk.add(cid, bytes)) === 'ok') added++;
      }
      if (added === 0) return undefined;
    }
    return walk.manifest();
  }

  async #read(root: string, node: CID): Promise<Uint8Array | undefined> {
    try {
      return await unlessLost(this.#records.getNode(root, node.toString()));
    } catch (error) {
      throw await storageError(error, root, 'read a node');
    }
  }

  /** What the asset is, as its root tells. @throws ERR_CHUNK_HASH_MISMATCH where it is not the root it is said to be */
  async typeOf(root: CID, bytes: Uint8Array): Promise<Manifest['type']> {
    const walk = new DagWalk(root);
    if ((await walk.add(root, bytes)) === 'mismatch')
      throw new ShoalError(
        'ERR_CHUNK_HASH_MISMATCH',
        `what was to be kept is not the node ${root.toString()}`,
      );
    return walk.rootInfo()?.type ?? 'file';
  }
}
