import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { StoredAsset } from '../store/store.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkRun } from '../swarm/core/messages.ts';
import type { AssetSession, SwarmShell } from '../swarm/swarm-shell.ts';

/** What one `save` or one `stream` wants of an asset. */
export interface Want {
  wanted: 'all' | readonly ChunkRun[];
  /** Chunks a reader waits for, the next one first. */
  urgent: readonly number[];
}

/** What {@link ActiveAsset} tells. */
export interface ActiveAssetEvents {
  /** A chunk was verified and stored. */
  onChunk: (chunk: number, bytes: number, peer: string) => void;
  /** The local side failed: disk full, original changed … */
  onError: (error: ShoalError) => void;
  onUpload: (peer: string, bytes: number) => void;
}

/**
 * One asset while this node takes part in its swarm: the stored side, the swarm side, and who waits for what.
 * All handles of a root share it.
 */
export class ActiveAsset {
  readonly root: CID;
  readonly stored: StoredAsset;
  readonly session: AssetSession;
  /** Chunks here and verified; follows the store. */
  readonly have: Bitfield;
  readonly #wants = new Set<Want>();
  readonly #watchers = new Set<() => void>();
  readonly #events: ActiveAssetEvents;
  #failure: ShoalError | undefined;

  constructor(shell: SwarmShell, root: CID, stored: StoredAsset, events: ActiveAssetEvents) {
    this.root = root;
    this.stored = stored;
    this.#events = events;
    this.have = stored.have();
    this.session = shell.join(stored, {
      origin: stored.state === 'shared',
      wanted: 'none',
      onChunk: (chunk, peer) => this.#handleChunk(chunk, peer),
      onError: (error) => this.#handleError(error),
      onUpload: (peer, bytes) => events.onUpload(peer, bytes),
    });
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

  /** Adds to what is downloaded until the result is disposed of. Change `want` and call `update` to move on. */
  want(want: Want): { update: () => void } & Disposable {
    this.#failure = undefined;
    this.#wants.add(want);
    this.#applyWants();
    return {
      update: () => this.#applyWants(),
      [Symbol.dispose]: () => {
        this.#wants.delete(want);
        this.#applyWants();
      },
    };
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
      await this.#nextChange(signal);
    }
  }

  /** Reads a chunk that is here. */
  read(chunk: number, signal?: AbortSignal): Promise<VerifiedChunk> {
    return this.stored.read(chunk, signal);
  }

  /** Leaves the swarm and releases the files. */
  async close(): Promise<void> {
    this.session.leave();
    this.#failure ??= new ShoalError('ERR_CLOSED', 'the node was closed while this was going on', { fault: 'none' });
    this.#notify();
    await this.stored.close();
  }

  #applyWants(): void {
    const all = [...this.#wants];
    const urgent = all.flatMap((want) => want.urgent);
    if (all.some((want) => want.wanted === 'all')) this.session.want('all', urgent);
    else if (all.length === 0) this.session.want('none', []);
    else this.session.want(all.flatMap((want) => (want.wanted === 'all' ? [] : want.wanted)), urgent);
  }

  #handleChunk(chunk: number, peer: string): void {
    this.have.set(chunk);
    this.#events.onChunk(chunk, this.stored.manifest.chunkSize(chunk), peer);
    this.#notify();
  }

  #handleError(error: ShoalError): void {
    this.#failure = error;
    this.#events.onError(error);
    this.#notify();
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const finish = (): void => {
      this.#watchers.delete(finish);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    this.#watchers.add(finish);
    signal.addEventListener('abort', finish, { once: true });
    return promise;
  }
}
