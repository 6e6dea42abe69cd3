import type { ActiveAsset, AssetTable } from './asset-table.ts';
import type { Event } from './core/events.ts';
import type { AssetKey } from './core/messages.ts';

/** When a chunk that could not be read is tried again; twice as long after each time that it still cannot be. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

interface Unread {
  asset: ActiveAsset;
  chunks: Set<number>;
  atMs: number;
  waitMs: number;
}

/** What {@link UnreadChunks} works with. */
export interface UnreadChunksHost {
  nowMs: () => number;
  assets: AssetTable;
  handle: (event: Event) => void;
  /** All that could not be read of the asset can be, or is to be fetched again. */
  onReadable: (asset: ActiveAsset) => void;
}

/**
 * Chunks that could not be read when a peer wanted them. The exchange takes them for lost, and of what is complete nothing is
 * fetched in their place; but a process may have had too many files open for a moment, a disk been away, or a file only
 * been touched. So they are tried again, one of each asset, and offered again when that can be read: whoever downloads
 * from a single seed would otherwise lack them for ever.
 */
export class UnreadChunks {
  readonly #host: UnreadChunksHost;
  readonly #unread = new Map<AssetKey, Unread>();

  constructor(host: UnreadChunksHost) {
    this.#host = host;
  }

  /** The chunk could not be read. */
  add(asset: ActiveAsset, chunk: number): void {
    let unread = this.#unread.get(asset.key);
    if (unread?.asset !== asset) {
      const waitMs = FIRST_RETRY_MS;
      unread = { asset, chunks: new Set(), atMs: this.#host.nowMs() + waitMs, waitMs };
      this.#unread.set(asset.key, unread);
    }
    unread.chunks.add(chunk);
  }

  /** Tries again what is due. Call it now and then. */
  async retry(): Promise<void> {
    const nowMs = this.#host.nowMs();
    const due = [...this.#unread.values()].filter(({ atMs }) => atMs <= nowMs);
    await Promise.all(due.map((unread) => this.#retryOne(unread)));
  }

  async #retryOne(unread: Unread): Promise<void> {
    const { asset } = unread;
    unread.atMs = Infinity;
    const isLeft = !(await this.#isReadable(unread)) && this.#isActive(asset) && unread.chunks.size > 0;
    if (isLeft) {
      unread.waitMs = Math.min(unread.waitMs * 2, LONGEST_RETRY_MS);
      unread.atMs = this.#host.nowMs() + unread.waitMs;
      return;
    }
    if (this.#unread.get(asset.key) === unread) this.#unread.delete(asset.key);
    if (!this.#isActive(asset)) return;
    for (const chunk of unread.chunks) this.#host.handle({ type: 'found', asset: asset.key, chunk });
    this.#host.onReadable(asset);
  }

  async #isReadable({ asset, chunks }: Unread): Promise<boolean> {
    if (!this.#isActive(asset)) return false;
    // What an unfinished download has lost is fetched again.
    const have = asset.stored.have();
    for (const chunk of chunks) if (!have.has(chunk)) chunks.delete(chunk);
    const [first] = chunks;
    if (first === undefined) return false;
    return asset.stored.read(first).then(
      () => true,
      () => false,
    );
  }

  #isActive(asset: ActiveAsset): boolean {
    return this.#host.assets.byKey(asset.key) === asset;
  }
}
