import { Bitfield } from './bitfield.ts';
import { ChunkPicker } from './chunk-picker.ts';
import { PAST_LEDGERS } from './constants.ts';
import { keepNewest } from './keep-newest.ts';
import type { AssetKey, ChunkRun, PeerKey } from './messages.ts';
import { OriginPasses } from './origin-passes.ts';
import type { Membership, Peer } from './peer.ts';
import type { Throttle } from './rate-limits.ts';
import type { Rng } from './rng.ts';
import { urgentOf, type Urgent } from './urgency.ts';

/** A chunk this node asked a peer for. At any time a chunk is asked of one peer only. */
export interface ChunkRequest {
  readonly asset: AssetKey;
  readonly chunk: number;
  readonly bytes: number;
  readonly peer: PeerKey;
  readonly requestedAtMs: number;
  /** When something last came of it, or of what the peer was asked for before it. */
  progressAtMs: number;
  /** When the credit for it runs out: from then on it may come to the peer too late. */
  readonly creditUntilMs: number;
  /** With nothing for so long it is given up and asked of somebody else. */
  readonly allowedMs: number;
  receivedBytes: number;
  /** All data is here; the shell verifies and stores it. */
  isWhole: boolean;
  /** The peer was asked for the chunk before, and that was taken back: data of both requests may come. */
  readonly isSecond: boolean;
  /**
   * The peer does not think that the chunk is here when it has come: it came after it was taken back, or refused, or the peer was told
   * meanwhile what is here without it.
   */
  isLate: boolean;
}

/** A chunk that was gained, and who sent it and knows that it is here: that peer need not be told. */
export interface News {
  readonly chunk: number;
  readonly from: PeerKey | undefined;
}

/** Chunks that are wanted: all, none, or a set. */
export type Wanted = 'all' | 'none' | readonly ChunkRun[];

/** One asset this node takes part in: what is here, what is wanted, who has what. */
export class AssetSwarm {
  readonly key: AssetKey;
  readonly sizes: Uint32Array;
  /** Shared with the shell, which only reads it. */
  readonly have: Bitfield;
  /** Chunks gained since all neighbours were last told; each has been told a part (`Membership.newsRead`). */
  news: News[] = [];
  /** Set where this node published the asset. */
  readonly passes: OriginPasses | undefined;
  readonly picker: ChunkPicker;
  readonly requests = new Map<number, ChunkRequest>();
  /** Peers that joined, each with what is known of it here. */
  readonly members = new Map<PeerKey, Membership>();
  readonly maxChunkBytes: number;
  readonly minChunkBytes: number;
  /** Sizes of all chunks together. */
  readonly bytes: number;
  readonly throttle: Throttle = { upload: undefined, download: undefined };
  /** Bytes of it that peers asked for or were offered, less what came to nothing. */
  givenBytes = 0;
  /** This origin has given enough of it for now (offload mode): others serve it. */
  isOffloaded = false;
  readonly #rng: Rng;
  /** Chunks that readers wait for, the one due first in front. */
  urgent: readonly Urgent[] = [];
  /** Urgent chunks that were taken back from a slow peer: once is enough. */
  readonly rushed = new Set<number>();
  /** Chunks that neighbours were seen to get since this was last looked at, and how many a second. For `TimeLeft`. */
  gains = 0;
  gainsPerSec = 0;
  /** Verified bytes of it from peers which had taken something from this node. */
  returnedBytes = 0;
  /** When a chunk last came. */
  gainedAtMs = -Infinity;
  /** `returnedBytes` when each peer first said what it has, the oldest first: also of those that left and came again. */
  readonly #watchedFrom = new Map<PeerKey, number>();
  /** Chunks wanted and not here. */
  wantedLeft = 0;
  /** Chunks were asked for again so many times. */
  readonly reissues = new Map<number, number>();
  /** Peers that took part and are gone, oldest first. */
  readonly gone = new Set<PeerKey>();
  /** Peers that announced a chunk and could not read it when they were asked: their file changed, or a disk failed. */
  readonly failed = new Set<PeerKey>();
  /** Counts up with each change of the members, so that contacts go out only when they changed. */
  membersVersion = 0;
  #wanted: Bitfield | 'all' | 'none' = 'none';

  constructor(key: AssetKey, sizes: Uint32Array, have: Bitfield, isOrigin: boolean, rng: Rng) {
    this.key = key;
    this.sizes = sizes;
    this.have = have;
    this.#rng = rng;
    this.picker = new ChunkPicker(sizes.length, rng);
    this.passes = isOrigin && sizes.length > 0 ? new OriginPasses(sizes.length, rng) : undefined;
    let max = 1;
    let min = Infinity;
    let bytes = 0;
    for (const size of sizes) {
      bytes += size;
      if (size > max) max = size;
      if (size < min) min = size;
    }
    this.maxChunkBytes = max;
    this.minChunkBytes = min;
    this.bytes = bytes;
  }

  get size(): number {
    return this.sizes.length;
  }

  /** Share of the chunks that are here, 0 to 1. */
  get progress(): number {
    return this.size === 0 ? 1 : this.have.count / this.size;
  }

  bytesOf(chunk: number): number {
    return this.sizes[chunk] as number;
  }

  isWanted(chunk: number): boolean {
    return this.#wanted === 'all' || (this.#wanted !== 'none' && this.#wanted.has(chunk));
  }

  /** Wanted at all, whatever is here already. */
  get wantsSomething(): boolean {
    return this.#wanted !== 'none';
  }

  /** A peer is told anew what is here: what is on its way from it, or not stored yet, is not in that, whatever it thinks by then. */
  toldAnew(peer: PeerKey): void {
    for (const request of this.requests.values()) if (request.peer === peer) request.isLate = true;
  }

  /** Replaces what is wanted; requests under way stay. Runs beyond the asset are cut off. */
  want(wanted: Wanted): void {
    this.#wanted = typeof wanted === 'string' ? wanted : this.#setOf(wanted);
    this.wantedLeft = 0;
    const fresh: number[] = [];
    for (let chunk = 0; chunk < this.size; chunk++) {
      const isMissing = this.isWanted(chunk) && !this.have.has(chunk);
      if (isMissing) this.wantedLeft++;
      const isPickable = isMissing && !this.requests.has(chunk);
      if (!isPickable) this.picker.remove(chunk);
      else if (!this.picker.isPickable(chunk)) fresh.push(chunk);
    }
    this.picker.addAll(fresh);
  }

  /** The peer says what it has: from now on it could give something. */
  watch(peer: PeerKey): void {
    if (this.#watchedFrom.has(peer)) return;
    keepNewest(this.#watchedFrom, peer, this.returnedBytes, PAST_LEDGERS);
  }

  /** What takers gave of it since the peer could have given something, too. */
  returnedSince(peer: PeerKey): number {
    return this.returnedBytes - (this.#watchedFrom.get(peer) ?? this.returnedBytes);
  }

  /** The chunk is verified and stored. @param from who knows that it is here @returns whether it was missing */
  gained(chunk: number, from: PeerKey | undefined): boolean {
    if (!this.have.set(chunk)) return false;
    this.picker.remove(chunk);
    this.reissues.delete(chunk);
    this.rushed.delete(chunk);
    this.news.push({ chunk, from });
    if (this.isWanted(chunk)) this.wantedLeft--;
    return true;
  }

  /** The local copy of the chunk is of no use any more. @returns whether it was there */
  lost(chunk: number): boolean {
    if (!this.have.clear(chunk)) return false;
    if (this.isWanted(chunk)) {
      this.wantedLeft++;
      // Another copy of it may have come, and wait to be stored.
      if (!this.requests.has(chunk)) this.picker.add(chunk);
    }
    return true;
  }

  /** The request is over without the chunk: it can be picked again. */
  release(request: ChunkRequest): void {
    this.requests.delete(request.chunk);
    if (this.isWanted(request.chunk) && !this.have.has(request.chunk)) this.picker.add(request.chunk);
  }

  /** Replaces what readers wait for. @param dueInMs ms from now, for each chunk; undefined: now */
  hurry(nowMs: number, chunks: readonly number[], dueInMs: readonly number[] | undefined): void {
    this.urgent = urgentOf(this, nowMs, chunks, dueInMs);
    if (this.urgent.length === 0) this.rushed.clear();
  }

  /** Requests for chunks that are not wanted any more, and of which nothing has come. */
  unwantedRequests(): ChunkRequest[] {
    return [...this.requests.values()].filter(
      ({ chunk, receivedBytes, isWhole }) => !isWhole && receivedBytes === 0 && !this.isWanted(chunk),
    );
  }

  /** A random member, or undefined where there is none. */
  randomMember(): Peer | undefined {
    let left = Math.floor(this.#rng() * this.members.size);
    for (const { peer } of this.members.values()) if (left-- === 0) return peer;
    return undefined;
  }

  #setOf(runs: readonly ChunkRun[]): Bitfield {
    const set = new Bitfield(this.size);
    for (const { from, count } of runs) {
      const end = Math.min(from + count, this.size);
      for (let chunk = Math.max(from, 0); chunk < end; chunk++) set.set(chunk);
    }
    return set;
  }
}
