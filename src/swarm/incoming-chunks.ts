import { ShoalError } from '../errors.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { ActiveAsset, AssetTable } from './asset-table.ts';
import { ChunkBuffers } from '../store/chunk-buffers.ts';
import { ChunkInbox, type InboxAsset } from './chunk-inbox.ts';
import type { Event } from './core/events.ts';
import type { AssetKey, PeerKey } from './core/messages.ts';
import type { PeerLink } from './peer-link.ts';

/** What {@link IncomingChunks} works with. */
export interface IncomingChunksHost {
  assets: AssetTable;
  /** Whether the chunk is kept if it comes from this peer. */
  keeps(peer: PeerKey, asset: AssetKey, chunk: number): boolean;
  /** Whether a connected peer lacks something of the asset. */
  isLacked(asset: AssetKey): boolean;
  handle(event: Event): void;
}

/** Takes chunks from the links' data streams to the store: gathered, verified, written, and only then announced. */
export class IncomingChunks {
  readonly #host: IncomingChunksHost;
  readonly #storing = new Set<Promise<void>>();
  readonly #buffers = new ChunkBuffers();

  constructor(host: IncomingChunksHost) {
    this.#host = host;
  }

  /** The receiving end of a link's data stream. */
  inboxOf(link: PeerLink): ChunkInbox {
    const { peer } = link;
    return new ChunkInbox({
      assetOf: (slot) => this.#assetOf(link, slot),
      keeps: (asset, chunk) => this.#host.keeps(peer, asset, chunk),
      take: (size) => this.#buffers.take(size),
      give: (memory) => this.#buffers.give(memory),
      onBytes: (asset, chunk, bytes, last) => {
        this.#host.handle({ type: 'data', peer, asset, chunk, bytes, last });
        this.#host.assets.byKey(asset)?.session?.events.onBytes?.(bytes);
      },
      onChunk: (asset, chunk, bytes) => {
        const active = this.#host.assets.byKey(asset);
        if (!active) return;
        const storing = this.#store(active, peer, chunk, bytes).finally(() => {
          this.#storing.delete(storing);
          this.#buffers.give(bytes);
        });
        this.#storing.add(storing);
      },
      onLost: (asset, chunk) => this.#host.handle({ type: 'unstored', peer, asset, chunk }),
    });
  }

  /** Resolves when no chunk is on its way to the store. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#storing);
  }

  #assetOf(link: PeerLink, slot: number): InboxAsset | undefined {
    const { assets } = this.#host;
    const named = link.named.get(slot);
    const key = named && assets.knownKey(named.text);
    if (key === undefined) return undefined;
    const manifest = assets.byKey(key)?.stored.manifest;
    if (!manifest) return { key, sizeOf: undefined };
    return { key, sizeOf: (chunk) => (chunk < manifest.chunkCount ? manifest.chunkSize(chunk) : undefined) };
  }

  async #store(asset: ActiveAsset, peer: PeerKey, chunk: number, bytes: Uint8Array): Promise<void> {
    const { assets } = this.#host;
    const handle = (told: Event): void => this.#host.handle(told);
    const event = { peer, asset: asset.key, chunk };
    const verified = await VerifiedChunk.verify(asset.stored.manifest.chunkDigest(chunk), bytes);
    if (!verified) return handle({ type: 'corrupt', ...event });
    const isActive = (): boolean => assets.byKey(asset.key) === asset;
    if (!isActive()) return;
    const events = asset.session?.events;
    events?.onStoring?.(true);
    try {
      await asset.stored.write(chunk, verified, this.#host.isLacked(asset.key));
    } catch (cause) {
      if (!isActive()) return;
      handle({ type: 'unstored', ...event });
      asset.session?.events.onError?.(
        localError(cause, `chunk ${chunk} of ${asset.text} could not be stored`),
      );
      return;
    } finally {
      events?.onStoring?.(false);
    }
    if (!isActive()) return;
    handle({ type: 'verified', ...event });
    asset.session?.events.onChunk?.(chunk, peer);
  }
}

/** What the store threw, as an error for people. */
export function localError(cause: unknown, what: string): ShoalError {
  return cause instanceof ShoalError
    ? cause
    : new ShoalError('ERR_IO', `${what}: ${String(cause)}`, { cause });
}
