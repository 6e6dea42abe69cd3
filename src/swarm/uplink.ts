import type { AssetKey, PeerKey } from './core/messages.ts';
import { TokenBucket } from './token-bucket.ts';

/** Chunks read ahead of the sockets, over all links. */
const READ_AHEAD_BYTES = 16 << 20;

/** Of one link: the chunk that is being sent and what follows it without a pause. */
const READ_AHEAD_PER_LINK = 2 << 20;

/** Pieces of a paced uplink: small enough to be smooth and to let control through, large enough to cost little. */
const MIN_PIECE_BYTES = 16 << 10;
const MAX_PIECE_BYTES = 64 << 10;

/** A piece should take about this long at the limit. */
const PIECE_SEC = 0.02;

/** After a pause at most this much time's worth goes out at once. */
const BURST_SEC = 0.05;

/** What goes ahead has an order below all others. */
const AHEAD = 2 ** 50;

/** A chunk to send to a peer. */
export interface Upload {
  readonly peer: PeerKey;
  readonly asset: AssetKey;
  readonly chunk: number;
  readonly size: number;
  /** Nobody has a copy yet: it goes before all that has not begun. */
  readonly first: boolean;
}

/** What an {@link Uplink} works with. */
export interface UplinkHost {
  nowMs(): number;
  /** Reads and verifies the chunk. */
  read(upload: Upload): Promise<Uint8Array>;
  /** Writes a part of the chunk to the peer's data stream. @returns false where the stream is full now */
  send(upload: Upload, offset: number, piece: Uint8Array): boolean;
  /** All of the chunk has been handed to the socket. */
  onSent(upload: Upload): void;
  onFailed(upload: Upload, error: unknown): void;
}

interface Item {
  readonly upload: Upload;
  readonly order: number;
  state: 'queued' | 'reading' | 'ready';
  bytes: Uint8Array;
  offset: number;
}

/** One peer's chunks, in order. */
interface Lane {
  items: Item[];
  loadedBytes: number;
  isFull: boolean;
}

/**
 * The node's uplink: one first-in, first-out queue of whole chunks. Chunks are not interleaved, because each
 * can be forwarded only when it is whole. A peer whose socket is full is passed over until it drains. With a
 * limit, payload is paced by a token bucket; without one, every socket is kept full.
 */
export class Uplink {
  readonly #host: UplinkHost;
  readonly #lanes = new Map<PeerKey, Lane>();
  #order = 0;
  #loadedBytes = 0;
  #bucket: TokenBucket | undefined;
  #pieceBytes = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isPumping = false;

  constructor(host: UplinkHost) {
    this.#host = host;
  }

  /** @param bytesPerSec undefined: none */
  setLimit(bytesPerSec: number | undefined): void {
    this.#clearTimer();
    if (bytesPerSec === undefined) {
      this.#bucket = undefined;
      this.#pieceBytes = Infinity;
    } else {
      this.#pieceBytes = Math.min(
        MAX_PIECE_BYTES,
        Math.max(MIN_PIECE_BYTES, Math.round(bytesPerSec * PIECE_SEC)),
      );
      const burst = Math.max(this.#pieceBytes, bytesPerSec * BURST_SEC);
      this.#bucket = new TokenBucket(bytesPerSec, burst, this.#host.nowMs());
    }
    this.#pump();
  }

  add(upload: Upload): void {
    let lane = this.#lanes.get(upload.peer);
    if (!lane) this.#lanes.set(upload.peer, (lane = { items: [], loadedBytes: 0, isFull: false }));
    const order = this.#order++ - (upload.first ? AHEAD : 0);
    const before = upload.first
      ? lane.items.findIndex((item) => !item.upload.first && item.offset === 0)
      : -1;
    const at = before < 0 ? lane.items.length : before;
    lane.items.splice(at, 0, { upload, order, state: 'queued', bytes: NOTHING, offset: 0 });
    this.#pump();
  }

  /** Drops a chunk that has not begun to go out. One that has is sent to its end. */
  cancel(peer: PeerKey, asset: AssetKey, chunk: number): void {
    const lane = this.#lanes.get(peer);
    const item = lane?.items.find(({ upload, offset }) => {
      return offset === 0 && upload.asset === asset && upload.chunk === chunk;
    });
    if (lane && item) this.#remove(lane, item);
    this.#pump();
  }

  /** The peer's socket takes bytes again. */
  drained(peer: PeerKey): void {
    const lane = this.#lanes.get(peer);
    if (!lane?.isFull) return;
    lane.isFull = false;
    this.#pump();
  }

  /** The link is gone, and all that was queued for it. */
  drop(peer: PeerKey): void {
    const lane = this.#lanes.get(peer);
    if (!lane) return;
    for (const item of [...lane.items]) this.#remove(lane, item);
    this.#lanes.delete(peer);
    this.#pump();
  }

  stop(): void {
    this.#clearTimer();
    for (const peer of [...this.#lanes.keys()]) this.drop(peer);
  }

  /** Sends whatever can go now. Not re-entered: what a send causes is picked up by the loop. */
  #pump(): void {
    if (this.#isPumping || this.#timer) return;
    this.#isPumping = true;
    try {
      this.#readAhead();
      for (let lane = this.#nextLane(); lane; lane = this.#nextLane()) {
        if (!this.#sendPiece(lane, lane.items[0] as Item)) break;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** The lane whose first chunk is the oldest of those that can go. */
  #nextLane(): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      const first = lane.items[0];
      if (lane.isFull || first?.state !== 'ready') continue;
      if (!next || first.order < (next.items[0] as Item).order) next = lane;
    }
    return next;
  }

  /** @returns false where the limit says to wait */
  #sendPiece(lane: Lane, item: Item): boolean {
    const end = Math.min(item.bytes.byteLength, item.offset + this.#pieceBytes);
    const piece = item.bytes.subarray(item.offset, end);
    const waitMs = this.#bucket?.take(this.#host.nowMs(), piece.byteLength) ?? 0;
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#pump();
      }, Math.ceil(waitMs));
      return false;
    }
    const { offset } = item;
    item.offset = end;
    const isWhole = end === item.bytes.byteLength;
    // Booked before it is sent: sending may end the link, and with it the lane.
    if (isWhole) this.#remove(lane, item);
    if (!this.#host.send(item.upload, offset, piece)) lane.isFull = true;
    if (isWhole) {
      this.#host.onSent(item.upload);
      this.#readAhead();
    }
    return true;
  }

  #readAhead(): void {
    for (const lane of this.#lanes.values()) {
      for (const item of lane.items) {
        // What came ahead of all that was loaded must not wait for it.
        const isFull = this.#loadedBytes >= READ_AHEAD_BYTES || lane.loadedBytes >= READ_AHEAD_PER_LINK;
        const isAhead = item === lane.items[0] && lane.loadedBytes > 0;
        if (isFull && !isAhead) break;
        if (item.state === 'queued') void this.#load(lane, item);
      }
    }
  }

  async #load(lane: Lane, item: Item): Promise<void> {
    const { upload } = item;
    item.state = 'reading';
    lane.loadedBytes += upload.size;
    this.#loadedBytes += upload.size;
    try {
      const bytes = await this.#host.read(upload);
      if (!lane.items.includes(item)) return;
      item.bytes = bytes;
      item.state = 'ready';
    } catch (error) {
      if (!lane.items.includes(item)) return;
      this.#remove(lane, item);
      this.#host.onFailed(upload, error);
    }
    this.#pump();
  }

  #remove(lane: Lane, item: Item): void {
    lane.items.splice(lane.items.indexOf(item), 1);
    if (item.state === 'queued') return;
    lane.loadedBytes -= item.upload.size;
    this.#loadedBytes -= item.upload.size;
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
