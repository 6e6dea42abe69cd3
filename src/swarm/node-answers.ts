import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { decodeCid, type NamedRoot } from './named-roots.ts';
import { PACKED_NODES, packNode } from './packed-node.ts';
import type { PeerLink } from './peer-link.ts';
import { MAX_NODE_ANSWER_BYTES } from './wire/limits.ts';

/** Nodes one link may have waiting for an answer: sixteen full requests. Each is kept in some 100 bytes. */
export const MAX_WAITING_NODES = 1024;

/** Nodes read side by side for one link: an index gives many at once for little more than one. */
const PARALLEL_READS = 8;

/** The next node is read when less than this waits for the socket, so that control messages get through. */
const MAX_BACKLOG_BYTES = 1 << 20;

/** Packed nodes that are kept, of 32 KB for a thousand chunks each. */
const KEPT_PACKINGS = 8;

/** Room for what surrounds the node in its frame. */
const FRAME_ROOM = 256;

interface Wanted {
  named: NamedRoot;
  /** Checked, and kept as it came: as an object it takes several times as much. */
  cid: Uint8Array;
}

/** Answers NODES: each link in the order asked, as fast as its socket takes them. */
export class NodeAnswers {
  readonly #getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>;
  readonly #waiting = new Map<PeerLink, Wanted[]>();
  /** By CID; undefined where a node cannot be packed. */
  readonly #packings = new Map<string, Uint8Array | undefined>();

  constructor(getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>) {
    this.#getNode = getNode;
  }

  /** @throws ERR_PEER_FLOOD, and what a malformed CID gets */
  add(link: PeerLink, named: NamedRoot, cids: readonly Uint8Array[]): void {
    const waiting = this.#waiting.get(link) ?? [];
    if (waiting.length + cids.length > MAX_WAITING_NODES) {
      throw new ShoalError('ERR_PEER_FLOOD', 'the peer asked for more nodes than it may; it was cut off', {
        fault: 'peer',
      });
    }
    const isRunning = this.#waiting.has(link);
    for (const cid of cids) {
      decodeCid(cid);
      waiting.push({ named, cid: cid.slice() });
    }
    this.#waiting.set(link, waiting);
    if (!isRunning) void this.#answerAll(link, waiting);
  }

  async #answerAll(link: PeerLink, waiting: Wanted[]): Promise<void> {
    while (waiting.length > 0 && !link.isEnded) {
      const next = waiting.splice(0, PARALLEL_READS);
      const reads = next.map(({ named, cid }) =>
        named.hasLeft ? undefined : this.#read(link, named.root, decodeCid(cid)),
      );
      for (const [i, { named, cid }] of next.entries()) {
        const bytes = await reads[i];
        if (link.isEnded) break;
        const packed = bytes && this.#packed(link, cid, bytes);
        link.send({ type: 'node', slot: named.slot, cid, ...(packed ? { packed } : { bytes }) });
        await link.controlBelow(MAX_BACKLOG_BYTES);
      }
    }
    this.#waiting.delete(link);
  }

  /** The node in fewer bytes, for a peer that takes it so. A crowd asks for the same few again and again. */
  #packed(link: PeerLink, cid: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
    if (!link.hello?.features.includes(PACKED_NODES)) return undefined;
    const found = decodeCid(cid);
    const key = found.toString();
    if (!this.#packings.has(key)) {
      for (const oldest of [...this.#packings.keys()].slice(0, this.#packings.size - KEPT_PACKINGS + 1)) {
        this.#packings.delete(oldest);
      }
      this.#packings.set(key, packNode(found, bytes));
    }
    return this.#packings.get(key);
  }

  async #read(link: PeerLink, root: CID, cid: CID): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#getNode(root, cid);
      const max = Math.min(MAX_NODE_ANSWER_BYTES, (link.hello?.limits.controlFrameBytes ?? 0) - FRAME_ROOM);
      return bytes && bytes.byteLength <= max ? bytes : undefined;
    } catch {
      // The asker tries somebody else, as with any node that is not here.
      return undefined;
    }
  }
}
