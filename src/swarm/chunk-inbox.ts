import { ShoalError } from '../errors.ts';
import type { AssetKey } from './core/messages.ts';
import type { DataHeader } from './wire/data-codec.ts';

/** An asset as the inbox needs it. `sizeOf` is undefined where this node takes no part in it any more. */
export interface InboxAsset {
  key: AssetKey;
  /** Bytes of a chunk, or undefined where there is no such chunk. */
  sizeOf: ((chunk: number) => number | undefined) | undefined;
}

/** What a {@link ChunkInbox} works with. */
export interface ChunkInboxHost {
  /** The asset behind the sender's slot. */
  assetOf(slot: number): InboxAsset | undefined;
  /** Whether the chunk is kept if it comes: asked before there is memory for it, and when it is whole. */
  keeps(asset: AssetKey, chunk: number): boolean;
  /** Memory for a chunk of that size, with anything in it. */
  take(size: number): Uint8Array;
  /** Takes that memory back from a chunk that comes to nothing. */
  give(memory: Uint8Array): void;
  /** Payload arrived; `last` where the chunk is whole. */
  onBytes(asset: AssetKey, chunk: number, bytes: number, last: boolean): void;
  /** A chunk that is kept is whole, to be verified. */
  onChunk(asset: AssetKey, chunk: number, bytes: Uint8Array): void;
  /** A chunk that would be kept now is whole, and was dropped, since it was not when it began. */
  onLost(asset: AssetKey, chunk: number): void;
}

/** Of a chunk that is not whole it is told when its frame is, and each time so much of it came. */
const TELL_BYTES = 64 << 10;

interface Incoming {
  asset: AssetKey;
  chunk: number;
  size: number;
  /** Whether `size` is the chunk's; else only a frame's, of an asset that was left. */
  isSized: boolean;
  /** Undefined where it was not kept when it began: then it is counted, and dropped. */
  buffer: Uint8Array | undefined;
  received: number;
  /** Received and not yet told. */
  untold: number;
}

/**
 * Puts the payload of one link's data stream into chunks, one copy, straight into a buffer of the chunk's size.
 * A sender finishes a chunk before it begins another, so that a link costs the memory of one chunk at most.
 */
export class ChunkInbox {
  readonly #host: ChunkInboxHost;
  #incoming: Incoming | undefined;
  #isStopped = false;
  /** Where the sender is in a chunk of an asset that was left: should it be joined again, the rest is dropped too. */
  #dropped: { asset: AssetKey; chunk: number; offset: number } | undefined;

  constructor(host: ChunkInboxHost) {
    this.#host = host;
  }

  /** @throws ERR_PEER_BAD_DATA where the header fits no asset, chunk or order */
  begin(header: DataHeader): void {
    if (this.#isStopped) return;
    const asset = this.#host.assetOf(header.slot);
    if (!asset) throw badData(`data for slot ${header.slot}, which it never named`);
    let incoming = this.#incoming;
    if (incoming && (incoming.asset !== asset.key || incoming.chunk !== header.chunk)) {
      throw badData(`data of chunk ${header.chunk} before chunk ${incoming.chunk} was whole`);
    }
    incoming ??= this.#start(asset, header);
    if (header.offset !== incoming.received || header.offset + header.length > incoming.size) {
      throw badData(`bytes ${header.offset} + ${header.length} of chunk ${header.chunk}, which do not fit`);
    }
    this.#incoming = incoming;
  }

  payload(bytes: Uint8Array): void {
    const incoming = this.#incoming;
    if (!incoming) return;
    incoming.buffer?.set(bytes, incoming.received);
    incoming.received += bytes.byteLength;
    incoming.untold += bytes.byteLength;
    if (incoming.untold >= TELL_BYTES && incoming.received < incoming.size) this.#tell(incoming);
  }

  /** A frame's payload is complete: perhaps the chunk is. */
  end(): void {
    const incoming = this.#incoming;
    if (!incoming) return;
    const { asset, chunk, size, isSized, received, untold, buffer } = incoming;
    if (received < size) return this.#tell(incoming);
    this.#incoming = undefined;
    this.#dropped = isSized ? undefined : { asset, chunk, offset: received };
    const isKept = isSized && this.#host.keeps(asset, chunk);
    this.#host.onBytes(asset, chunk, untold, isSized);
    if (!isKept) this.#giveBack(buffer);
    else if (buffer) this.#host.onChunk(asset, chunk, buffer);
    else this.#host.onLost(asset, chunk);
  }

  /** The link has ended: nothing more comes. */
  stop(): void {
    this.#isStopped = true;
    this.#giveBack(this.#incoming?.buffer);
    this.#incoming = undefined;
  }

  #giveBack(buffer: Uint8Array | undefined): void {
    if (buffer) this.#host.give(buffer);
  }

  /** Tells of what came of a chunk that is not whole. */
  #tell(incoming: Incoming): void {
    const { asset, chunk, untold } = incoming;
    if (untold === 0) return;
    incoming.untold = 0;
    this.#host.onBytes(asset, chunk, untold, false);
  }

  #start(asset: InboxAsset, header: DataHeader): Incoming {
    const { key, sizeOf } = asset;
    const { chunk, length, offset } = header;
    // Of an asset that was left, nothing is known any more: each frame is counted and dropped by itself.
    const size = sizeOf ? sizeOf(chunk) : offset + length;
    if (size === undefined) throw badData(`data of chunk ${chunk}, which the asset does not have`);
    const isSized = sizeOf !== undefined;
    const dropped = this.#dropped;
    const isRest =
      offset > 0 && dropped?.asset === key && dropped.chunk === chunk && dropped.offset === offset;
    const buffer = isSized && !isRest && this.#host.keeps(key, chunk) ? this.#host.take(size) : undefined;
    return { asset: key, chunk, size, isSized, buffer, received: isSized && !isRest ? 0 : offset, untold: 0 };
  }
}

function badData(what: string): ShoalError {
  return new ShoalError('ERR_PEER_BAD_DATA', `the peer sent ${what}; it was cut off`, { fault: 'peer' });
}
