import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import { MAX_NODE_BYTES } from '../integrity/limits.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { PageRecords } from './page-records.ts';
import { storageError } from './storage-error.ts';

/** Nodes given to a walk at once. */
const BATCH = 256;

/** The interior nodes that a page keeps: hashed whenever they are read, so that none that was damaged is passed on. */
export class KeptNodes {
  readonly #records: PageRecords;

  constructor(records: PageRecords) {
    this.#records = records;
  }

  async get(root: CID, node: CID): Promise<Uint8Array | undefined> {
    const bytes = await this.#records.getNode(root.toString(), node.toString());
    const verified = bytes && (await VerifiedChunk.verify(node.multihash.digest, bytes));
    return verified?.bytes;
  }

  /** @throws ERR_ASSET_TOO_LARGE, ERR_NO_SPACE, ERR_IO */
  async put(root: CID, node: CID, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength > MAX_NODE_BYTES)
      throw new ShoalError('ERR_ASSET_TOO_LARGE', `a node of ${bytes.byteLength} bytes is too large to keep`);
    try {
      // A copy: what was handed in may be a part of a far larger receive buffer, which would be kept whole.
      await this.#records.putNode(root.toString(), node.toString(), bytes.slice());
    } catch (error) {
      throw await storageError(error, root.toString(), 'keep a node');
    }
  }

  /** The manifest, each node checked from the root down; undefined where not all of them are here. */
  async manifest(root: CID, signal: AbortSignal | undefined): Promise<Manifest | undefined> {
    const walk = new DagWalk(root);
    while (!walk.done) {
      signal?.throwIfAborted();
      let added = 0;
      for (const cid of walk.needs(BATCH)) {
        const bytes = await this.#records.getNode(root.toString(), cid.toString());
        if (bytes && (await walk.add(cid, bytes)) === 'ok') added++;
      }
      if (added === 0) return undefined;
    }
    return walk.manifest();
  }

  /** What the asset is, as far as this node tells. @throws ERR_CHUNK_HASH_MISMATCH where it is not the root it is said to be */
  async typeOf(root: CID, node: CID, bytes: Uint8Array): Promise<Manifest['type']> {
    if (!node.equals(root)) return 'directory';
    const walk = new DagWalk(root);
    if ((await walk.add(root, bytes)) === 'mismatch')
      throw new ShoalError(
        'ERR_CHUNK_HASH_MISMATCH',
        `what was to be kept is not the node ${root.toString()}`,
      );
    return walk.rootInfo()?.type ?? 'file';
  }
}
