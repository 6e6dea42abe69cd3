import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { keepNewest } from './core/keep-newest.ts';
import { AnswerTurns } from './answer-turns.ts';
import { decodeCid, type NamedRoot } from './named-roots.ts';
import { PACKED_NODES, packNode } from './packed-node.ts';
import type { PeerLink } from './peer-link.ts';
import { MAX_NODE_ANSWER_BYTES } from './wire/limits.ts';

/** In HELLO: whoever says so takes a NODES without CIDs for the end of what was asked in its slot. */
export const FORGET_NODES = 'forget-nodes';

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

/** Answers NODES: each link in the order asked, as fast as its socket takes them, and few links at a time. */
export class NodeAnswers {
  readonly #getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>;
  readonly #turns: AnswerTurns;
  readonly #waiting = new Map<PeerLink, Set<Wanted>>();
  /** NODES of a link that no NODES without CIDs has ended. */
  readonly #requests = new WeakMap<PeerLink, number>();
  /** By CID; undefined where a node cannot be packed. */
  readonly #packings = new Map<string, Uint8Array | undefined>();

  constructor(getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>, nowMs: () => number) {
    this.#getNode = getNode;
    this.#turns = new AnswerTurns(nowMs);
  }

  /** Whether nobody waits for an answer, or is waited for: until then call {@link tick}. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#turns.isIdle;
  }

  tick(): void {
    this.#turns.tick();
  }

  /** @throws ERR_PEER_FLOOD, and what a malformed CID gets */
  add(link: PeerLink, named: NamedRoot, cids: readonly Uint8Array[]): void {
    this.taken(link);
    const waiting = this.#waiting.get(link) ?? new Set();
    if (waiting.size + cids.length > MAX_WAITING_NODES) {
      throw new ShoalError('ERR_PEER_FLOOD', 'the peer asked for more nodes than it may; it was cut off', {
        fault: 'peer',
      });
    }
    const isRunning = this.#waiting.has(link);
    for (const cid of cids) {
      decodeCid(cid);
      waiting.add({ named, cid: cid.slice() });
    }
    this.#waiting.set(link, waiting);
    this.#requests.set(link, (this.#requests.get(link) ?? 0) + 1);
    if (!isRunning) void this.#answerAll(link, waiting);
  }

  /** The peer has what it asked for. */
  taken(link: PeerLink): void {
    this.#turns.taken(link);
  }

  /**
   * The peer wants nothing more of what it asked for of a root.
   *
   * @returns how many nodes were not sent for that; undefined where it says so without having asked
   */
  forget(link: PeerLink, named: NamedRoot): number | undefined {
    this.taken(link);
    const requests = this.#requests.get(link) ?? 0;
    if (requests === 0) return undefined;
    this.#requests.set(link, requests - 1);
    let count = 0;
    for (const wanted of this.#waiting.get(link) ?? []) {
      if (wanted.named.text !== named.text) continue;
      this.#waiting.get(link)?.delete(wanted);
      count++;
    }
    return count;
  }

  /** The link is gone. */
  drop(link: PeerLink): void {
    this.#waiting.get(link)?.clear();
    this.#waiting.delete(link);
    this.#turns.drop(link);
  }

  async #answerAll(link: PeerLink, waiting: Set<Wanted>): Promise<void> {
    while (waiting.size > 0 && !link.isEnded) {
      await link.controlBelow(MAX_BACKLOG_BYTES);
      await this.#turns.begin(link);
      const bytes = await this.#answerSome(link, waiting);
      this.#turns.written(link, bytes, waiting.size === 0);
    }
    if (this.#waiting.get(link) === waiting) this.#waiting.delete(link);
  }

  /** @returns the bytes of what was sent */
  async #answerSome(link: PeerLink, waiting: Set<Wanted>): Promise<number> {
    const reads: { wanted: Wanted; read: Promise<Uint8Array | undefined> }[] = [];
    for (const wanted of waiting) {
      if (reads.push({ wanted, read: this.#read(link, wanted) }) === PARALLEL_READS) break;
    }
    let sent = 0;
    for (const { wanted, read } of reads) {
      const bytes = await read;
      await link.controlBelow(MAX_BACKLOG_BYTES);
      if (link.isEnded) break;
      if (!waiting.delete(wanted)) continue;
      const { named, cid } = wanted;
      const packed = bytes && this.#packed(link, cid, bytes);
      link.send({ type: 'node', slot: named.slot, cid, ...(packed ? { packed } : { bytes }) });
      sent += (packed ?? bytes)?.byteLength ?? 0;
    }
    return sent;
  }

  /** The node in fewer bytes, for a peer that takes it so. A crowd asks for the same few again and again. */
  #packed(link: PeerLink, cid: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
    if (!link.hello?.features.includes(PACKED_NODES)) return undefined;
    const found = decodeCid(cid);
    const key = found.toString();
    if (this.#packings.has(key)) return this.#packings.get(key);
    const packed = packNode(found, bytes);
    keepNewest(this.#packings, key, packed, KEPT_PACKINGS);
    return packed;
  }

  async #read(link: PeerLink, { named, cid }: Wanted): Promise<Uint8Array | undefined> {
    if (named.hasLeft) return undefined;
    try {
      const bytes = await this.#getNode(named.root, decodeCid(cid));
      const max = Math.min(MAX_NODE_ANSWER_BYTES, (link.hello?.limits.controlFrameBytes ?? 0) - FRAME_ROOM);
      return bytes && bytes.byteLength <= max ? bytes : undefined;
    } catch {
      // The asker tries somebody else, as with any node that is not here.
      return undefined;
    }
  }
}
