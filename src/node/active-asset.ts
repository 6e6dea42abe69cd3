import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import { orAbort } from '../store/or-abort.ts';
import type { StoredAsset } from '../store/store.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkRun } from '../swarm/core/messages.ts';
import type { Urgency } from '../swarm/asset-session.ts';
import type { AssetSession, SwarmShell } from '../swarm/swarm-shell.ts';
import { mergeUrgency } from './reader-pace.ts';

/** What one `save` or one `stream` wants of an asset. */
export interface Want {
  wanted: 'all' | readonly ChunkRun[];
  /** Chunks a reader waits for, the next one first. */
  urgent: Urgency;
}

/** With each reader the exchange is told so much later what all of them want: each time what they need is put together anew. */
const TOLD_LATER_MS = 0.1;

/** Told of each chunk that was verified and stored. */
export type ChunkFollower = (chunk: number, bytes: number, peer: string) => void;

/** What {@link ActiveAsset} tells. */
export interface ActiveAssetEvents {
  /** The local side failed: disk full, original changed … */
  onError: (error: ShoalError) => void;
  onUpload: (peer: string, bytes: number) => void;
  onChunk: ChunkFollower;
}

/**
 * One asset while this node takes part in its swarm: the stored side, the swarm side, and who waits for what.
 * All handles of a root share it.
 */
export class ActiveAsset {
  readonly root: CID;
  readonly #shell: SwarmShell;
  readonly #wants = new Set<Want>();
  /** By the chunk that is waited for; undefined: for any. */
  readonly #watchers = new Map<number | undefined, Set<() => void>>();
  readonly #followers = new Set<ChunkFollower>();
  readonly #events: ActiveAssetEvents;
  #stored: StoredAsset;
  #session: AssetSession;
  #have: Bitfield;
  /** Chunks that something changed on the disk when they had come. */
  readonly #lost = new Set<number>();
  /** Chunks that could not be read for a peer, though they are here, since something was last wanted. */
  readonly #unread = new Set<number>();
  #failure: ShoalError | undefined;
  /** Why nothing can be read any more. */
  #closed: ShoalError | undefined;
  #bytesArrived = 0;
  /** When something last arrived, or was wanted while nothing else was. */
  #stirredAtMs = performance.now();
  /** The exchange is about to be told what is wanted; and whether more of that has changed than what is urgent. */
  #telling: ReturnType<typeof setTimeout> | undefined;
  #isWantedAnew = false;
  /** Chunks that came and are being stored. */
  #storing = 0;
  #isBroken = false;
  /** While the stored side is being replaced: readers wait for it. */
  #replacing: Promise<void> | undefined;

  constructor(shell: SwarmShell, root: CID, stored: StoredAsset, events: ActiveAssetEvents) {
    this.root = root;
    this.#shell = shell;
    this.#stored = stored;
    this.#events = events;
    this.#have = stored.have();
    this.#session = this.#join();
  }

  get stored(): StoredAsset {
    return this.#stored;
  }

  get session(): AssetSession {
    return this.#session;
  }

  /** Chunks here and verified; follows the store. */
  get have(): Bitfield {
    return this.#have;
  }

  /** Payload bytes that ever arrived, verified or not yet: a slow chunk is no silence. */
  get bytesArrived(): number {
    return this.#bytesArrived;
  }

  /** For how long nothing has arrived of what is wanted. */
  get quietMs(): number {
    return performance.now() - this.#stirredAtMs;
  }

  /** Chunks that came are being stored: where the disk is slow, or a chunk lies in very many places, that takes long. */
  get isStoring(): boolean {
    return this.#storing > 0;
  }

  /** A change of target failed and nothing could be opened in its place: of no more use. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get isComplete(): boolean {
    return this.have.isFull;
  }

  /** Bytes of distinct chunks that are here. */
  bytesHere(): number {
    const { manifest } = this.stored;
    if (this.have.isFull) return manifest.chunkBytes;
    let bytes = 0;
    for (let n = 0; n < manifest.chunkCount; n++) if (this.have.has(n)) bytes += manifest.chunkSize(n);
    return bytes;
  }

  /**
   * Adds to what is downloaded until the result is disposed of. Change what is urgent of it and call `update` to move on.
   */
  want(want: Want): { update: () => void } & Disposable {
    this.#failure = undefined;
    this.#unread.clear();
    if (this.#wants.size === 0) this.#stirredAtMs = performance.now();
    this.#wants.add(want);
    this.#tellSoon(true);
    return {
      update: () => this.#tellSoon(false),
      [Symbol.dispose]: () => {
        this.#wants.delete(want);
        this.#tellSoon(true);
      },
    };
  }

  /** Calls `follower` for each chunk that arrives, until the result is disposed of. */
  follow(follower: ChunkFollower): Disposable {
    this.#followers.add(follower);
    return { [Symbol.dispose]: () => this.#followers.delete(follower) };
  }

  /** Resolves when all of `chunks` are here. @throws the local failure that stops the download, or the abort reason */
  async waitFor(chunks: Iterable<number> | 'all', signal: AbortSignal): Promise<void> {
    const missing = chunks === 'all' ? undefined : [...chunks].filter((chunk) => !this.have.has(chunk));
    const isDone = (): boolean => {
      if (!missing) return this.have.isFull;
      while (missing.length > 0 && this.have.has(missing.at(-1) as number)) missing.pop();
      return missing.length === 0;
    };
    while (!isDone()) {
      signal.throwIfAborted();
      if (this.#failure) throw this.#failure;
      await this.#nextChange(missing?.at(-1), signal);
    }
  }

  /** Reads a chunk that is here. */
  async read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    // It may be replaced again before this goes on.
    while (this.#replacing) await orAbort(this.#replacing, signal);
    try {
      return await this.#tellingOfLoss(() => this.#stored.read(chunk, signal));
    } catch (error) {
      throw this.#closed ?? error;
    }
  }

  /**
   * Fetches again what something changed on the disk, of a download: the store has forgotten it.
   *
   * @returns whether that was so, and not for the second time
   */
  refetchLost(): boolean {
    if (this.#replacing || this.#noteLost() !== 'once') return false;
    // The exchange is told of what is here by joining.
    this.#session.leave();
    this.#take(this.#stored);
    return true;
  }

  /**
   * See `StoredAsset.finish`.
   *
   * @returns false where something had changed chunks on the disk: they are fetched again, and it can be finished when they are here
   */
  async finish(options?: { force?: boolean }): Promise<boolean> {
    try {
      await this.#stored.finish(options);
      return true;
    } catch (error) {
      if (this.refetchLost()) {
        if (error instanceof ShoalError) this.#events.onError(error);
        return false;
      }
      // A peer that was to be sent one of them came before.
      const isKnown = error instanceof ShoalError && error.code === 'ERR_INCOMPLETE' && !this.#failure;
      if (isKnown && !this.have.isFull) return false;
      throw error;
    }
  }

  /**
   * Puts another stored side in place of this one (a download gets a target), under the readers' feet: they
   * wait. Where it fails, what the store still holds is served as before.
   *
   * @param make closes over the store; called when the old side has been closed
   * @param restore opens what the store holds, for when that failed
   */
  async replace(
    make: () => Promise<StoredAsset>,
    restore: () => Promise<StoredAsset | undefined>,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#replacing = promise;
    this.#session.leave();
    try {
      await this.#stored.close();
      this.#take(await make());
    } catch (error) {
      const old = await restore();
      if (old) this.#take(old);
      else this.#isBroken = true;
      throw error;
    } finally {
      this.#replacing = undefined;
      resolve();
      this.#notify();
    }
  }

  /** Leaves the swarm and releases the files. @param why what those end with who wait for chunks, or read them */
  async close(why?: ShoalError): Promise<void> {
    this.session.leave();
    const closed = `${this.root.toString()} was removed or opened anew while this was going on; open it again`;
    this.#closed = why ?? new ShoalError('ERR_CLOSED', closed, { fault: 'none' });
    this.#failure ??= this.#closed;
    this.#notify();
    await this.stored.close();
  }

  #take(stored: StoredAsset): void {
    this.#stored = stored;
    this.#have = stored.have();
    this.#session = this.#join();
    this.#applyWants();
  }

  #join(): AssetSession {
    return this.#shell.join(this.#stored, {
      origin: this.#stored.state === 'shared',
      wanted: 'none',
      onBytes: (bytes: number) => {
        this.#bytesArrived += bytes;
        this.#stirredAtMs = performance.now();
      },
      onStoring: (isUnderWay: boolean) => {
        this.#storing += isUnderWay ? 1 : -1;
      },
      onChunk: (chunk: number, peer: string) => this.#handleChunk(chunk, peer),
      onError: (error: ShoalError) => this.#fail(error),
      onUnread: (chunk: number, error: ShoalError) => this.#handleUnread(chunk, error),
      onUpload: (peer: string, bytes: number) => this.#events.onUpload(peer, bytes),
    });
  }

  #tellSoon(isWantedAnew: boolean): void {
    this.#isWantedAnew ||= isWantedAnew;
    const laterMs = TOLD_LATER_MS * this.#wants.size;
    if (laterMs >= 1) this.#telling ??= setTimeout(() => this.#tell(), laterMs);
    else this.#tell();
  }

  #tell(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    if (this.#isWantedAnew) this.#applyWants();
    else this.session.hurry(this.#urgent());
    this.#isWantedAnew = false;
  }

  #applyWants(): void {
    const all = [...this.#wants];
    const urgent = this.#urgent();
    if (all.some((want) => want.wanted === 'all')) this.session.want('all', urgent);
    else if (all.length === 0) this.session.want('none');
    else
      this.session.want(unionOf(all.flatMap((want) => (want.wanted === 'all' ? [] : want.wanted))), urgent);
  }

  #urgent(): Urgency {
    const all = [...this.#wants].map((want) => want.urgent);
    return mergeUrgency(all, (chunk) => this.have.has(chunk));
  }

  #handleChunk(chunk: number, peer: string): void {
    // Near the end a chunk is asked of several peers, and may come from each.
    if (!this.have.set(chunk)) return;
    const bytes = this.stored.manifest.chunkSize(chunk);
    for (const follower of this.#followers) follower(chunk, bytes, peer);
    this.#events.onChunk(chunk, bytes, peer);
    for (const key of [chunk, undefined]) for (const watcher of this.#watchers.get(key) ?? []) watcher();
  }

  /** What cannot be stored ends the download. */
  #fail(error: ShoalError): void {
    this.#failure = error;
    this.#events.onError(error);
    this.#notify();
  }

  /**
   * A peer did not get a chunk, which costs this node's own download nothing: the exchange wants it again by itself. A disk
   * that loses one twice, or does not give one twice, would have it fetched again and again: it fails.
   */
  #handleUnread(chunk: number, error: ShoalError): void {
    const isChanged = error.code === 'ERR_FILE_CHANGED';
    const isAgain = isChanged ? this.#noteLost() === 'again' : this.#unread.has(chunk);
    if (isAgain) return this.#fail(error);
    if (!isChanged && this.#wants.size > 0) this.#unread.add(chunk);
    this.#events.onError(error);
  }

  /** @returns whether the store has forgotten chunks since it was last asked, and one of them not for the first time */
  #noteLost(): 'none' | 'once' | 'again' {
    if (this.#stored.state !== 'partial') return 'none';
    const here = this.#stored.have();
    let found: 'none' | 'once' | 'again' = 'none';
    for (let chunk = 0; chunk < here.size; chunk++) {
      if (here.has(chunk) || !this.#have.clear(chunk)) continue;
      if (this.#lost.has(chunk)) found = 'again';
      else if (found === 'none') found = 'once';
      this.#lost.add(chunk);
    }
    return found;
  }

  /** What a store keeps without a path is fetched again when it is opened anew, which it is not while it is active. */
  async #tellingOfLoss<T>(task: () => Promise<T>): Promise<T> {
    const { state, path } = this.#stored;
    try {
      return await task();
    } catch (error) {
      const isLost = error instanceof ShoalError && error.code === 'ERR_FILE_CHANGED';
      if (isLost && state === 'complete' && path === undefined) this.#events.onError(error);
      if (isLost) this.refetchLost();
      throw error;
    }
  }

  #notify(): void {
    for (const watchers of [...this.#watchers.values()]) for (const watcher of watchers) watcher();
  }

  /** Resolves when the chunk (undefined: any) has come, and at whatever else may end the wait for it. */
  #nextChange(chunk: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watchers = this.#watchers.get(chunk) ?? new Set();
    const finish = (): void => {
      watchers.delete(finish);
      if (watchers.size === 0) this.#watchers.delete(chunk);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    this.#watchers.set(chunk, watchers.add(finish));
    signal.addEventListener('abort', finish, { once: true });
    return promise;
  }
}

/** What all of them have, ascending. */
function unionOf(runs: readonly ChunkRun[]): ChunkRun[] {
  const union: ChunkRun[] = [];
  for (const { from, count } of runs.toSorted((a, b) => a.from - b.from)) {
    const last = union.at(-1);
    if (!last || from > last.from + last.count) union.push({ from, count });
    else last.count = Math.max(last.count, from + count - last.from);
  }
  return union;
}
