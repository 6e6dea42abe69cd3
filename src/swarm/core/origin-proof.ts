import { MAX_PASSED_OVER, PAST_LEDGERS } from './constants.ts';
import type { PeerKey } from './messages.ts';

/**
 * What an origin, which nobody gives anything, can know of its peers: who passed on a chunk that it alone had been
 * given, and who seems to have chunks that it does not announce. Who says that it has least would otherwise get most
 * of an origin's later copies, and that is who gives nothing, or hides what it has.
 */
export class OriginProof {
  /** Oldest first. */
  readonly #forwarders = new Set<PeerKey>();
  /** Chunks that a peer passed over and has not announced since. */
  readonly #passedOver = new Map<PeerKey, Set<number>>();

  /**
   * Whether the peer passes on what it gets, and says what it has. Whoever asks for others than it is offered, over
   * and over, has those already; a few are on their way to anybody.
   */
  isProven(peer: PeerKey): boolean {
    return this.#forwarders.has(peer) && (this.#passedOver.get(peer)?.size ?? 0) < MAX_PASSED_OVER;
  }

  /** Whether anybody has passed on anything yet. */
  get isAnyProven(): boolean {
    return this.#forwarders.size > 0;
  }

  /** A chunk that this peer alone was given has been announced by another. It is remembered over a reconnect. */
  forwarded(peer: PeerKey): void {
    this.#forwarders.delete(peer);
    this.#forwarders.add(peer);
    if (this.#forwarders.size > PAST_LEDGERS) {
      this.#forwarders.delete(this.#forwarders.values().next().value as PeerKey);
    }
  }

  /** The peer had credit for a chunk that it was offered and seemed to lack, and asked for another one. */
  passedOver(peer: PeerKey, chunk: number): void {
    let chunks = this.#passedOver.get(peer);
    if (!chunks) this.#passedOver.set(peer, (chunks = new Set()));
    chunks.add(chunk);
  }

  /** Whether the peer has passed over anything that it has not announced since. */
  mayHide(peer: PeerKey): boolean {
    return this.#passedOver.has(peer);
  }

  /** The peer has announced the chunk, or is given it: it hides nothing there. */
  settled(peer: PeerKey, chunk: number): void {
    this.#passedOver.get(peer)?.delete(chunk);
  }

  gone(peer: PeerKey): void {
    this.#passedOver.delete(peer);
  }
}
