import { Allowance } from './core/allowance.ts';
import type { PeerLink } from './peer-link.ts';

/** Links that are answered side by side at first; one more each time that an answer was taken within {@link QUICK_MS}. */
const FIRST_LINKS = 2;
const MAX_LINKS = 64;
const QUICK_MS = 500;

/** No turn takes longer: a peer that is silent, or slow to read, does not hold up the others. */
const LONGEST_MS = 2000;

/** An answer that is smaller than this waits for nobody's word. */
const SMALL_BYTES = 4096;

/** A link is held up for so many of the longest turns, and so much of each second after that, however many come before it. */
const HELD_UP_TURNS = 2;
const HELD_UP_MS_PER_SEC = 100;

interface Turn {
  sinceMs: number;
  /** All that was asked for has been written: the peer's word ends the turn. */
  isWritten: boolean;
}

interface Waiting {
  sinceMs: number;
  /** Held up by then for as long as it may be. */
  untilMs: number;
  begin: () => void;
}

/**
 * Whose nodes go out next. Peers that come to a crowd together ask its origin for the same nodes; answered all at once, each would
 * have them when the last has. One after another the first can pass them on to the others, who then need not be answered.
 *
 * For each batch `await begin(link)`, then `written`; then `taken` when the peer speaks, and `drop` when the link is gone. `tick` now
 * and then until it is idle.
 */
export class AnswerTurns {
  readonly #nowMs: () => number;
  readonly #longestMs: number;
  readonly #turns = new Map<PeerLink, Turn>();
  /** In the order in which they came. */
  readonly #line = new Map<PeerLink, Waiting>();
  /** Links whose turn took the longest: these wait for theirs as ever, and nobody waits for them again. */
  readonly #slow = new WeakSet<PeerLink>();
  /** For how many more ms a link may be held up. */
  readonly #patience = new WeakMap<PeerLink, Allowance>();
  #links = FIRST_LINKS;

  constructor(nowMs: () => number, longestMs = LONGEST_MS) {
    this.#nowMs = nowMs;
    this.#longestMs = longestMs;
  }

  /** Whether nobody has a turn or waits for one. */
  get isIdle(): boolean {
    return this.#turns.size === 0 && this.#line.size === 0;
  }

  /** Resolves when it is the link's turn, or the link is gone. */
  async begin(link: PeerLink): Promise<void> {
    this.#end(link);
    if (link.isEnded) return;
    const nowMs = this.#nowMs();
    const patienceMs = this.#patienceOf(link).refill(nowMs);
    const isFree = this.#line.size === 0 && this.#turns.size < this.#links;
    if (isFree || patienceMs <= 0) return this.#start(link);
    await new Promise<void>((begin) => {
      this.#line.set(link, { sinceMs: nowMs, untilMs: nowMs + patienceMs, begin });
    });
  }

  /**
   * A batch has been written.
   *
   * @param isLast nothing more of the link waits: its peer is about to say that it has it, and its turn lasts until then
   */
  written(link: PeerLink, bytes: number, isLast: boolean): void {
    const turn = this.#turns.get(link);
    if (turn && isLast && bytes >= SMALL_BYTES) turn.isWritten = true;
    else this.#end(link);
  }

  /** The peer says something that it says when it has what it asked for. */
  taken(link: PeerLink): void {
    const turn = this.#turns.get(link);
    if (!turn?.isWritten) return;
    if (this.#nowMs() - turn.sinceMs < QUICK_MS) this.#links = Math.min(MAX_LINKS, this.#links + 1);
    this.#end(link);
  }

  /** The link is gone. */
  drop(link: PeerLink): void {
    const waiting = this.#line.get(link);
    this.#line.delete(link);
    waiting?.begin();
    this.#end(link);
  }

  tick(): void {
    const nowMs = this.#nowMs();
    for (const [link, { sinceMs }] of [...this.#turns]) {
      if (nowMs - sinceMs < this.#longestMs) continue;
      this.#slow.add(link);
      this.#links = Math.max(FIRST_LINKS, this.#links >> 1);
      this.#end(link);
    }
    for (const [link, waiting] of this.#line) if (nowMs >= waiting.untilMs) this.#admit(link, waiting);
  }

  #end(link: PeerLink): void {
    this.#turns.delete(link);
    for (const [next, waiting] of this.#line) {
      if (this.#turns.size >= this.#links) return;
      this.#admit(next, waiting);
    }
  }

  #admit(link: PeerLink, { sinceMs, begin }: Waiting): void {
    this.#line.delete(link);
    this.#patienceOf(link).spend(this.#nowMs(), this.#nowMs() - sinceMs);
    this.#start(link);
    begin();
  }

  #start(link: PeerLink): void {
    if (!this.#slow.has(link)) this.#turns.set(link, { sinceMs: this.#nowMs(), isWritten: false });
  }

  #patienceOf(link: PeerLink): Allowance {
    let patience = this.#patience.get(link);
    if (!patience) {
      patience = new Allowance(HELD_UP_MS_PER_SEC, HELD_UP_TURNS * this.#longestMs, this.#nowMs());
      this.#patience.set(link, patience);
    }
    return patience;
  }
}
