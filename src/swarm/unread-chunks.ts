import type { ActiveAsset, AssetTable } from './asset-table.ts';
import { atTurnEnd } from './control-channel.ts';
import { Bitfield } from './core/bitfield.ts';
import type { Event } from './core/events.ts';
import type { AssetKey, PeerKey } from './core/messages.ts';

/** When chunks that could not be read are tried again; twice as long after each time that they still cannot be. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/** So many reads of an asset that fail with none between that does not: its disk is away, or all of its files are gone. */
const FAILURES_IN_A_ROW = 64;

/** The exchange is told of so many chunks at a time, some milliseconds. */
const TOLD_AT_ONCE = 1024;

interface Unread {
  asset: ActiveAsset;
  chunks: Bitfield;
  /** The chunk that was tried last. */
  tried: number;
  /** Reads that failed since one did not. */
  failures: number;
  /** Set where all of the asset was given up; resolves when the exchange knows. */
  givingUp: Promise<void> | undefined;
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
 * been touched. So they are tried again, one of each asset in turn, and offered again when that can be read: whoever downloads
 * from a single seed would otherwise lack them for ever.
 *
 * Where nothing of a complete asset can be read all of it is taken for lost at once: chunk after chunk would be offered, asked for
 * and rejected, some thousands a second, and peers cut off who does that.
 */
export class UnreadChunks {
  readonly #host: UnreadChunksHost;
  readonly #unread = new Map<AssetKey, Unread>();

  constructor(host: UnreadChunksHost) {
    this.#host = host;
  }

  /** The chunk could not be read for a peer. */
  add(asset: ActiveAsset, chunk: number, peer: PeerKey): void {
    const unread = this.#unreadOf(asset);
    unread.chunks.set(chunk);
    if (++unread.failures < FAILURES_IN_A_ROW || asset.stored.state === 'partial') return;
    unread.givingUp ??= this.#giveUp(unread, peer);
  }

  /** Resolves when the asset may be read: what is asked for while all of it is given up would be rejected one by one meanwhile. */
  async whenReadable({ key }: ActiveAsset): Promise<void> {
    await this.#unread.get(key)?.givingUp;
  }

  /** A chunk of the asset was read. */
  wasRead({ key }: ActiveAsset): void {
    const unread = this.#unread.get(key);
    if (unread) unread.failures = 0;
  }

  /** Tries again what is due. Call it now and then. */
  async retry(): Promise<void> {
    const nowMs = this.#host.nowMs();
    const due = [...this.#unread.values()].filter(({ atMs }) => atMs <= nowMs);
    await Promise.all(due.map((unread) => this.#retryOne(unread)));
  }

  #unreadOf(asset: ActiveAsset): Unread {
    const known = this.#unread.get(asset.key);
    if (known?.asset === asset) return known;
    const unread: Unread = {
      asset,
      chunks: new Bitfield(asset.have.size),
      tried: -1,
      failures: 0,
      givingUp: undefined,
      atMs: this.#host.nowMs() + FIRST_RETRY_MS,
      waitMs: FIRST_RETRY_MS,
    };
    this.#unread.set(asset.key, unread);
    return unread;
  }

  /** Nothing of it is offered any more, until something can be read again. */
  async #giveUp({ asset, chunks }: Unread, peer: PeerKey): Promise<void> {
    const { key, have } = asset;
    await this.#tellOf(asset, have.clone(), (chunk) => {
      chunks.set(chunk);
      this.#host.handle({ type: 'upload-failed', peer, asset: key, chunk });
    });
  }

  async #retryOne(unread: Unread): Promise<void> {
    const { asset, chunks } = unread;
    unread.atMs = Infinity;
    const isLeft = !(await this.#isReadable(unread)) && this.#isActive(asset) && chunks.count > 0;
    if (isLeft) {
      unread.waitMs = Math.min(unread.waitMs * 2, LONGEST_RETRY_MS);
      unread.atMs = this.#host.nowMs() + unread.waitMs;
      return;
    }
    if (this.#unread.get(asset.key) === unread) this.#unread.delete(asset.key);
    await this.#tellOf(asset, chunks, (chunk) =>
      this.#host.handle({ type: 'found', asset: asset.key, chunk }),
    );
    if (this.#isActive(asset)) this.#host.onReadable(asset);
  }

  /** Calls `tell` for each chunk, while the asset is active, and lets other things happen in between. */
  async #tellOf(asset: ActiveAsset, chunks: Bitfield, tell: (chunk: number) => void): Promise<void> {
    let told = 0;
    for (let chunk = 0; chunk < chunks.size; chunk++) {
      if (!chunks.has(chunk)) continue;
      if (!this.#isActive(asset)) return;
      tell(chunk);
      if (++told % TOLD_AT_ONCE === 0) await new Promise<void>((resolve) => atTurnEnd(resolve));
    }
  }

  async #isReadable(unread: Unread): Promise<boolean> {
    const { asset, chunks } = unread;
    if (!this.#isActive(asset)) return false;
    // What an unfinished download has lost is fetched again.
    const have = asset.stored.have();
    for (let chunk = 0; chunk < chunks.size; chunk++) if (!have.has(chunk)) chunks.clear(chunk);
    if (chunks.count === 0) return false;
    // Each in turn: one of them may never be readable again.
    do unread.tried = (unread.tried + 1) % chunks.size;
    while (!chunks.has(unread.tried));
    return asset.stored.read(unread.tried).then(
      () => true,
      () => false,
    );
  }

  #isActive(asset: ActiveAsset): boolean {
    return this.#host.assets.byKey(asset.key) === asset;
  }
}
