import type { AssetKey, PeerKey } from './core/messages.ts';
import { SocketWindow } from './core/socket-window.ts';
import { SocketsWindow } from './core/sockets-window.ts';
import { LONGEST_OVERTAKEN_MS } from './core/upload-line.ts';
import { TokenBucket } from './token-bucket.ts';

/** Chunks read ahead of the sockets, over all links but those that are stuck. */
const READ_AHEAD_BYTES = 16 << 20;

/** Of one link: the chunk that is being sent and what follows it without a pause. */
const READ_AHEAD_PER_LINK = 2 << 20;

/** A shorter piece is not written, but for the last of a chunk: with its headers it fills a record of TLS. */
const RECORD_BYTES = 16_000;

/** Nor one that is less than this part of what a socket, or half of what all of them may hold. */
const LEAST_SHARE = 2;

/** Pieces of a paced uplink: small enough to be smooth and to let control through, large enough to cost little. */
const MIN_PIECE_BYTES = 16 << 10;
const MAX_PIECE_BYTES = 64 << 10;

/** A piece should take about this long at the limit. */
const PIECE_SEC = 0.02;

/** After a pause at most this much time's worth goes out at once. */
const BURST_SEC = 0.05;

/** A chunk to send to a peer. */
export interface Upload {
  readonly peer: PeerKey;
  readonly asset: AssetKey;
  readonly chunk: number;
  readonly size: number;
  /** Nobody has a copy yet: it goes before all that has not begun, unless that has waited for long. */
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
  /** Whether no more than one peer is linked: nobody's messages wait behind another's chunks. */
  isAlone(): boolean;
  /** Nothing comes back from the peer: what lies in its socket keeps no uplink busy. */
  isStuck(peer: PeerKey): boolean;
}

interface Item {
  readonly upload: Upload;
  /** When it was added; what goes ahead counts as added earlier. */
  readonly orderMs: number;
  /** Counts up, for those of one time. */
  readonly order: number;
  state: 'queued' | 'reading' | 'ready';
  bytes: Uint8Array;
  offset: number;
}

/** One peer's chunks, in order. */
interface Lane {
  items: Item[];
  loadedBytes: number;
  /** The stream says so. */
  isFull: boolean;
  readonly window: SocketWindow;
}

/**
 * The node's uplink: one first-in, first-out queue of whole chunks. Chunks are not interleaved, because each
 * can be forwarded only when it is whole. A peer whose socket is full is passed over until it drains. Of all that waits only so
 * much is written as keeps the uplink busy ({@link SocketsWindow}, {@link SocketWindow}), in pieces: what is in a socket stands
 * before the messages that follow. With a limit, payload is paced by a token bucket instead: sockets hold little then, and windows
 * would only have chunks wait for each other's acknowledgements (eight pages of 4 Mbit/s: 1.27 in place of 1.17).
 */
export class Uplink {
  readonly #host: UplinkHost;
  readonly #lanes = new Map<PeerKey, Lane>();
  #order = 0;
  #loadedBytes = 0;
  #bucket: TokenBucket | undefined;
  #pieceBytes = Infinity;
  readonly #sockets = new SocketsWindow();
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
    if (!lane) {
      lane = { items: [], loadedBytes: 0, isFull: false, window: new SocketWindow() };
      this.#lanes.set(upload.peer, lane);
    }
    const orderMs = this.#host.nowMs() - (upload.first ? LONGEST_OVERTAKEN_MS : 0);
    const item: Item = { upload, orderMs, order: this.#order++, state: 'queued', bytes: NOTHING, offset: 0 };
    const before = lane.items.findIndex((other) => other.offset === 0 && isBefore(item, other));
    lane.items.splice(before < 0 ? lane.items.length : before, 0, item);
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

  /**
   * Whether so many bytes of payload have been written to the peer since the link came up. Who says that it has received more
   * makes this node's uplink seem as fast as it likes: the exchange knows what it handed out, which may not have been read yet.
   */
  hasWritten(peer: PeerKey, totalBytes: number): boolean {
    return totalBytes <= (this.#lanes.get(peer)?.window.writtenBytes ?? 0);
  }

  /**
   * The peer says what it has received.
   *
   * @param totalBytes of payload, since the link came up
   * @param theirMs when the last of it came, by its clock; undefined: it does not say
   */
  acked(peer: PeerKey, totalBytes: number, theirMs: number | undefined): void {
    const nowMs = this.#host.nowMs();
    const took = this.#lanes.get(peer)?.window.acked(nowMs, totalBytes, theirMs);
    if (took) this.#sockets.took(nowMs, took);
    this.#pump();
  }

  /** Looks again what can go: what is stuck may have left room for others. */
  retry(): void {
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
      const isFree = this.#bucket !== undefined || this.#host.isAlone();
      let room = isFree ? Infinity : this.#roomBytes();
      for (let lane = this.#nextLane(isFree); lane; lane = this.#nextLane(isFree)) {
        const item = lane.items[0] as Item;
        if (room < this.#leastOf(lane, item)) {
          this.#sockets.heldBack();
          break;
        }
        const sent = this.#sendPiece(lane, item, isFree ? Infinity : Math.min(room, lane.window.roomBytes));
        if (sent === undefined) break;
        room -= sent;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** A shorter piece of the chunk is not written: each costs a frame, a record and packets, here and there. */
  #leastOf({ window }: Lane, { bytes, offset }: Item): number {
    const share = Math.min(window.bytes, this.#sockets.bytes / 2) / LEAST_SHARE;
    return Math.min(bytes.byteLength - offset, Math.max(RECORD_BYTES, share));
  }

  /** How much more may lie in all sockets. */
  #roomBytes(): number {
    const nowMs = this.#host.nowMs();
    let bytes = 0;
    for (const [peer, { window }] of this.#lanes) {
      const counted = window.countedBytes(nowMs);
      if (counted > 0 && !this.#host.isStuck(peer)) bytes += counted;
    }
    return this.#sockets.bytes - bytes;
  }

  /**
   * The lane whose first chunk is the oldest of those that can go.
   *
   * @param isFree whatever the windows say
   */
  #nextLane(isFree: boolean): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      const first = lane.items[0];
      if (lane.isFull || first?.state !== 'ready') continue;
      if (!isFree && lane.window.roomBytes < this.#leastOf(lane, first)) {
        lane.window.heldBack();
        continue;
      }
      if (!next || isBefore(first, next.items[0] as Item)) next = lane;
    }
    return next;
  }

  /**
   * @param room how much may go at once; a record of TLS always may
   * @returns how much went; undefined where the limit says to wait
   */
  #sendPiece(lane: Lane, item: Item, room: number): number | undefined {
    const most = Math.min(this.#pieceBytes, Math.max(RECORD_BYTES, room));
    const end = Math.min(item.bytes.byteLength, item.offset + most);
    const piece = item.bytes.subarray(item.offset, end);
    const waitMs = this.#bucket?.take(this.#host.nowMs(), piece.byteLength) ?? 0;
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#pump();
      }, Math.ceil(waitMs));
      return undefined;
    }
    const { offset } = item;
    item.offset = end;
    const isWhole = end === item.bytes.byteLength;
    // Booked before it is sent: sending may end the link, and with it the lane.
    lane.window.wrote(this.#host.nowMs(), piece.byteLength);
    if (isWhole) this.#remove(lane, item);
    if (!this.#host.send(item.upload, offset, piece)) lane.isFull = true;
    if (isWhole) {
      this.#host.onSent(item.upload);
      this.#readAhead();
    }
    return piece.byteLength;
  }

  #readAhead(): void {
    const stuckBytes = this.#stuckBytes();
    for (const lane of this.#lanes.values()) {
      for (const item of lane.items) {
        // What came ahead of all that was loaded must not wait for it.
        const isFull =
          this.#loadedBytes - stuckBytes >= READ_AHEAD_BYTES || lane.loadedBytes >= READ_AHEAD_PER_LINK;
        const isAhead =
          item === lane.items[0] && lane.loadedBytes > 0 && lane.loadedBytes < 2 * READ_AHEAD_PER_LINK;
        if (isFull && !isAhead) break;
        if (item.state === 'queued') void this.#load(lane, item);
      }
    }
  }

  /** What was read for peers that are stuck: where half of a crowd is cut off at once, the others' chunks must not wait for theirs. */
  #stuckBytes(): number {
    let bytes = 0;
    for (const [peer, { loadedBytes }] of this.#lanes) {
      if (loadedBytes > 0 && this.#host.isStuck(peer)) bytes += loadedBytes;
    }
    return bytes;
  }

  async #load(lane: Lane, item: Item): Promise<void> {
    const { upload } = item;
    item.state = 'reading';
    lane.loadedBytes += upload.size;
    this.#loadedBytes += upload.size;
    let failure: { cause: unknown } | undefined;
    try {
      item.bytes = await this.#host.read(upload);
    } catch (cause) {
      failure = { cause };
    }
    item.state = 'ready';
    // It may have been taken back meanwhile.
    if (!lane.items.includes(item)) this.#unload(lane, item);
    else if (failure) {
      this.#remove(lane, item);
      this.#host.onFailed(upload, failure.cause);
    }
    this.#pump();
  }

  #remove(lane: Lane, item: Item): void {
    lane.items.splice(lane.items.indexOf(item), 1);
    // What is being read takes its memory until then, whoever takes it back.
    if (item.state === 'ready') this.#unload(lane, item);
  }

  #unload(lane: Lane, { upload }: Item): void {
    lane.loadedBytes -= upload.size;
    this.#loadedBytes -= upload.size;
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.orderMs < b.orderMs || (a.orderMs === b.orderMs && a.order < b.order);
}

const NOTHING: Uint8Array = new Uint8Array(0);
