import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { lendToSocket } from '../store/sent-memory.ts';
import type { AssetTable } from './asset-table.ts';
import type { Action, Event } from './core/events.ts';
import type { PeerKey } from './core/messages.ts';
import { localError } from './incoming-chunks.ts';
import type { LinkTable } from './link-table.ts';
import { UnreadChunks } from './unread-chunks.ts';
import { Uplink, type Upload } from './uplink.ts';

/** What {@link OutgoingChunks} works with. */
export interface OutgoingChunksHost {
  nowMs: () => number;
  assets: AssetTable;
  links: LinkTable;
  handle: (event: Event) => void;
  /** Nothing comes back from the peer (the core's word). */
  isStuck: (peer: PeerKey) => boolean;
  /** Bytes of an asset that nobody joined were handed to the socket for a peer. */
  onUpload?: ((root: CID, peer: PeerKey, bytes: number) => void) | undefined;
  /** The local copy of an asset that nobody joined failed. */
  onAssetError?: ((root: CID, error: ShoalError) => void) | undefined;
  /** It can be read again. */
  onAssetReadable?: ((root: CID) => void) | undefined;
}

/** Takes chunks from the store to the links' data streams: read and verified, in the order and at the pace of the uplink. */
export class OutgoingChunks {
  readonly #host: OutgoingChunksHost;
  readonly #uplink: Uplink;
  readonly #unread: UnreadChunks;

  constructor(host: OutgoingChunksHost) {
    this.#host = host;
    this.#unread = new UnreadChunks({
      nowMs: host.nowMs,
      assets: host.assets,
      handle: host.handle,
      onReadable: ({ root, session }) => {
        if (!session) host.onAssetReadable?.(root);
      },
    });
    this.#uplink = new Uplink({
      nowMs: host.nowMs,
      read: (upload) => this.#read(upload),
      send: (upload, offset, piece) => this.#sendPiece(upload, offset, piece),
      onSent: (upload) => this.#sent(upload),
      onFailed: (upload, error) => this.#failed(upload, error),
      isAlone: () => host.links.size < 2,
      isStuck: host.isStuck,
    });
  }

  /** @param bytesPerSec undefined: none */
  setLimit(bytesPerSec: number | undefined): void {
    this.#uplink.setLimit(bytesPerSec);
  }

  add({ peer, asset: key, chunk, first }: Extract<Action, { type: 'upload' }>): void {
    const asset = this.#host.assets.byKey(key);
    if (!asset) return;
    asset.usedAtMs = this.#host.nowMs();
    this.#uplink.add({ peer, asset: key, chunk, size: asset.stored.manifest.chunkSize(chunk), first });
  }

  /** Drops a chunk that has not begun to go out. */
  cancel({ peer, asset, chunk }: Extract<Action, { type: 'cancel-upload' }>): void {
    this.#uplink.cancel(peer, asset, chunk);
  }

  /** The peer's stream takes bytes again. */
  drained(peer: PeerKey): void {
    this.#uplink.drained(peer);
  }

  /** Whether so many bytes of chunks have been written to the peer since the link is up. */
  hasWritten(peer: PeerKey, totalBytes: number): boolean {
    return this.#uplink.hasWritten(peer, totalBytes);
  }

  /** The peer says how many bytes of chunks have come since the link is up, and when by its clock the last of them did. */
  acked(peer: PeerKey, { bytes, atMs }: { bytes: number; atMs?: number }): void {
    this.#uplink.acked(peer, bytes, atMs);
  }

  /** Looks again what can go. */
  retry(): void {
    this.#uplink.retry();
  }

  /** Tries again to read what could not be read. */
  lookAfter(): void {
    void this.#unread.retry();
  }

  /** The link is gone, and all that was queued for it. */
  drop(peer: PeerKey): void {
    this.#uplink.drop(peer);
  }

  stop(): void {
    this.#uplink.stop();
  }

  async #read(upload: Upload): Promise<Uint8Array> {
    const asset = this.#host.assets.byKey(upload.asset);
    if (!asset) throw new ShoalError('ERR_CHUNK_MISSING', 'the asset was left before the chunk was read');
    await this.#unread.whenReadable(asset);
    const { bytes } = await asset.stored.read(upload.chunk);
    this.#unread.wasRead(asset);
    lendToSocket(bytes);
    return bytes;
  }

  #sendPiece(upload: Upload, offset: number, piece: Uint8Array): boolean {
    const link = this.#host.links.get(upload.peer);
    const header = { slot: upload.asset, chunk: upload.chunk, offset, length: piece.byteLength };
    return link?.sendData(header, piece) ?? false;
  }

  #sent(upload: Upload): void {
    const asset = this.#host.assets.byKey(upload.asset);
    if (!asset) return;
    if (asset.session) asset.session.events.onUpload?.(upload.peer, upload.size);
    else this.#host.onUpload?.(asset.root, upload.peer, upload.size);
  }

  #failed(upload: Upload, cause: unknown): void {
    const { peer, asset: key, chunk } = upload;
    this.#host.handle({ type: 'upload-failed', peer, asset: key, chunk });
    const asset = this.#host.assets.byKey(key);
    if (!asset) return;
    this.#unread.add(asset, chunk, peer);
    const error = localError(cause, `chunk ${chunk} of ${asset.text} could not be read`);
    if (asset.session) asset.session.events.onUnread?.(chunk, error);
    else this.#host.onAssetError?.(asset.root, error);
  }
}
