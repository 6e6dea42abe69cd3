import { eachChange, type Bitfield } from './bitfield.ts';
import type { PeerKey } from './messages.ts';
import { OriginProof } from './origin-proof.ts';
import { randomInt, type Rng } from './rng.ts';

/** At most so many chunks are looked at for one offer: on a larger asset a random stretch of them. */
const MAX_SCAN = 8192;

/** Chunks that nobody has yet come first, however often they were given; then those that only who has them from me has. */
const LANDED = 1000;
const SPREAD = 1_000_000;

/**
 * What the origin of an asset offers to whom, so that every chunk leaves it once before any leaves twice, and
 * first copies that their holders sit on are sent to somebody else. A plain rarest first loses chunks when the
 * origin is cut off at 1.05 times the file, and "least sent" loses them to peers that do not pass on.
 */
export class OriginPasses {
  readonly #rng: Rng;
  readonly #size: number;
  /** Copies given (or offered) to peers that are still here. */
  readonly #given: Uint16Array;
  /** Peers here that announced the chunk without having it from me. */
  readonly #others: Uint16Array;
  readonly #givenTo = new Map<PeerKey, Set<number>>();
  readonly #unforwarded = new Map<PeerKey, number>();
  /** Who passes on what it gets, and who hides what it has. */
  readonly proof = new OriginProof();
  /** When a chunk was last given, counted in chunks given. */
  readonly #givenAt: Uint32Array;
  #gifts = 0;
  /** Chunks that somebody here has: acknowledged whole, or announced. */
  readonly #landed: Uint8Array;
  /**
   * Chunks that came to somebody from elsewhere, or were given to somebody who has left: others may have them of that, so that it
   * proves nothing of who was given one when another announces it. Until nobody who is here has it, or was given it.
   */
  readonly #isElsewhere: Uint8Array;
  #unseen: number;
  #unlanded: number;
  /** Chunks that nobody announced but who has them from here. */
  #unspread: number;

  constructor(size: number, rng: Rng) {
    this.#rng = rng;
    this.#size = size;
    this.#given = new Uint16Array(size);
    this.#others = new Uint16Array(size);
    this.#landed = new Uint8Array(size);
    this.#isElsewhere = new Uint8Array(size);
    this.#givenAt = new Uint32Array(size);
    this.#unseen = size;
    this.#unlanded = size;
    this.#unspread = size;
  }

  /** Whether some chunk has no copy outside. */
  get isFirstPass(): boolean {
    return this.#unseen > 0;
  }

  /**
   * Whether every first copy is given, but not every one has arrived: second copies granted now would leave before
   * first copies to far peers, or to those whose connection is slow to start.
   */
  get isClosing(): boolean {
    return this.#unseen === 0 && this.#unlanded > 0;
  }

  /** Whether every chunk has been passed on by somebody. */
  get isSpread(): boolean {
    return this.#unspread === 0;
  }

  /** Chunks given to the peer that nobody else has announced. */
  unforwarded(peer: PeerKey): number {
    return this.#unforwarded.get(peer) ?? 0;
  }

  /** Chunks given (or offered) to the peer. */
  isGiven(peer: PeerKey, chunk: number): boolean {
    return this.#givenTo.get(peer)?.has(chunk) ?? false;
  }

  /**
   * The chunk to offer: one without a copy outside; else one whose copies are all still on their way, for one of
   * them may be stuck; else one that only peers who have it from me announced, given longest ago first; else the
   * least available. Random among equals.
   *
   * @param suits which chunks are possible (held here, fits the credit, not under way to the peer)
   * @returns −1 where the peer lacks none
   */
  choose(theirs: Bitfield, suits: (chunk: number) => boolean): number {
    let best = -1;
    let bestScore = Infinity;
    let ties = 0;
    let chunk = randomInt(this.#rng, this.#size);
    for (let left = Math.min(this.#size, MAX_SCAN); left > 0; left--, chunk = (chunk + 1) % this.#size) {
      const score = this.#score(chunk);
      if (score > bestScore || theirs.has(chunk) || !suits(chunk)) continue;
      ties = score < bestScore ? 1 : ties + 1;
      bestScore = score;
      if (ties === 1 || this.#rng() * ties < 1) best = chunk;
      if (score === 0) break;
    }
    return best;
  }

  /** Whether nobody who is here has the chunk yet, as far as this node knows: it is to leave before all others. */
  isFirstCopy(chunk: number): boolean {
    return this.#landed[chunk] === 0;
  }

  /**
   * What leaves before what else waits: first copies (0), then copies of what only peers that have it from this node
   * announced (1): they may be keeping it to themselves.
   */
  turnOf(chunk: number): number {
    if (this.isFirstCopy(chunk)) return 0;
    return this.#others[chunk] === 0 ? 1 : 2;
  }

  /** The chunk has arrived at somebody. */
  arrived(chunk: number): void {
    if (this.#landed[chunk] === 1) return;
    this.#landed[chunk] = 1;
    this.#unlanded--;
  }

  /**
   * The chunk is offered to the peer, or asked for by it.
   *
   * @param holds whether the peer has announced it all the same
   */
  give(peer: PeerKey, chunk: number, holds = false): void {
    this.proof.settled(peer, chunk);
    let chunks = this.#givenTo.get(peer);
    if (!chunks) this.#givenTo.set(peer, (chunks = new Set()));
    if (chunks.has(chunk)) return;
    if (holds) this.withdrawn(peer, chunk);
    chunks.add(chunk);
    this.#givenAt[chunk] = ++this.#gifts;
    this.#count(this.#given, chunk, 1);
    if (this.#others[chunk] === 0) this.#addUnforwarded(peer, 1);
  }

  /**
   * The offer was not taken up, or its request came to nothing.
   *
   * @param holds whether the peer has announced the chunk meanwhile: then it has it from somebody else
   */
  takeBack(peer: PeerKey, chunk: number, holds: boolean): void {
    if (!this.#givenTo.get(peer)?.delete(chunk)) return;
    this.#count(this.#given, chunk, -1);
    if (this.#others[chunk] === 0) this.#addUnforwarded(peer, -1);
    if (holds) this.announced(peer, chunk);
  }

  /** The peer announced the chunk. */
  announced(peer: PeerKey, chunk: number): void {
    this.proof.settled(peer, chunk);
    this.#announce(this.#givenTo.get(peer), chunk);
  }

  #announce(given: ReadonlySet<number> | undefined, chunk: number): void {
    this.arrived(chunk);
    if (given?.has(chunk)) return;
    this.#count(this.#others, chunk, 1);
    if (this.#others[chunk] !== 1) return;
    this.#unspread--;
    this.#settle(chunk, -1);
    this.#isElsewhere[chunk] = 1;
  }

  /** The peer, which had announced the chunk, no longer has it (here). */
  withdrawn(peer: PeerKey, chunk: number): void {
    this.#withdraw(this.#givenTo.get(peer), chunk);
  }

  #withdraw(given: ReadonlySet<number> | undefined, chunk: number): void {
    if (given?.has(chunk)) return;
    this.#count(this.#others, chunk, -1);
    if (this.#others[chunk] !== 0) return;
    this.#unspread++;
    this.#settle(chunk, 1);
  }

  /**
   * The peer says anew what it has, or leaves: what is known of it is looked up once, and not for each of very many chunks.
   *
   * @param before what it had; undefined: nothing
   * @returns of how many chunks that is something else
   */
  restated(peer: PeerKey, before: Bitfield | undefined, after: Bitfield | undefined): number {
    const given = this.#givenTo.get(peer);
    const mayHide = this.proof.mayHide(peer);
    let changed = 0;
    eachChange(
      before,
      after,
      (chunk) => {
        changed++;
        if (mayHide) this.proof.settled(peer, chunk);
        this.#announce(given, chunk);
      },
      (chunk) => {
        changed++;
        this.#withdraw(given, chunk);
      },
    );
    return changed;
  }

  /** The peer left. Call `restated` for what it had announced first. */
  gone(peer: PeerKey): void {
    for (const chunk of this.#givenTo.get(peer) ?? []) {
      this.#isElsewhere[chunk] = 1;
      this.#count(this.#given, chunk, -1);
    }
    this.proof.gone(peer);
    this.#givenTo.delete(peer);
    this.#unforwarded.delete(peer);
  }

  #score(chunk: number): number {
    const given = this.#given[chunk] as number;
    const others = this.#others[chunk] as number;
    if (others > 0) return SPREAD + given + others;
    if (given === 0) return 0;
    // The one given longest ago is the likeliest to be stuck, on its way or with somebody who does not pass it on.
    const age = (this.#givenAt[chunk] as number) / 2 ** 33;
    return (this.#landed[chunk] === 1 ? LANDED : 1) + age;
  }

  #count(counts: Uint16Array, chunk: number, by: number): void {
    if (this.#isUnseen(chunk)) this.#unseen--;
    counts[chunk] = (counts[chunk] as number) + by;
    if (!this.#isUnseen(chunk)) return;
    this.#unseen++;
    if (this.#landed[chunk] === 1) this.#unlanded++;
    this.#landed[chunk] = 0;
    this.#isElsewhere[chunk] = 0;
  }

  /** Nobody who is here has the chunk, or was given it. */
  #isUnseen(chunk: number): boolean {
    return this.#given[chunk] === 0 && this.#others[chunk] === 0;
  }

  #settle(chunk: number, by: number): void {
    if (this.#given[chunk] === 0) return;
    for (const [peer, chunks] of this.#givenTo) {
      if (!chunks.has(chunk)) continue;
      this.#addUnforwarded(peer, by);
      if (by < 0 && this.#given[chunk] === 1 && this.#isElsewhere[chunk] === 0) this.proof.forwarded(peer);
    }
  }

  #addUnforwarded(peer: PeerKey, by: number): void {
    this.#unforwarded.set(peer, this.unforwarded(peer) + by);
  }
}
