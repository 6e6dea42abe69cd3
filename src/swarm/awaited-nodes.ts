import type { AssetKey } from './core/messages.ts';
import { MAX_WAITING_NODES } from './node-answers.ts';

interface Share {
  count: number;
  /** It answered with a node. */
  gave: boolean;
}

/** The nodes that were asked of one peer and that it has not answered, whether or not anybody waits for them still. */
export class AwaitedNodes {
  /** When the peer last answered. */
  answeredAtMs = -Infinity;
  /** By this node's slot; what is neither awaited nor to be thanked for has none. */
  readonly #shares = new Map<AssetKey, Share>();
  #count = 0;
  /** Nodes that were taken back: their answers may have been on their way, as many as a peer lets wait. */
  #takenBack = 0;

  get count(): number {
    return this.#count;
  }

  asked(slot: AssetKey, nodes: number): void {
    const share = this.#shares.get(slot) ?? { count: 0, gave: false };
    share.count += nodes;
    this.#shares.set(slot, share);
    this.#count += nodes;
  }

  /**
   * An answer came.
   *
   * @param gave whether the peer is to be told when its nodes are here
   * @returns false where nobody asked for it
   */
  answered(slot: AssetKey, gave: boolean, nowMs: number): boolean {
    const share = this.#shares.get(slot);
    if (share && share.count > 0) {
      share.count--;
      share.gave ||= gave;
      if (share.count === 0 && !share.gave) this.#shares.delete(slot);
      this.#count--;
    } else if (this.#takenBack > 0) {
      this.#takenBack--;
    } else {
      return false;
    }
    this.answeredAtMs = nowMs;
    return true;
  }

  /** Nothing more is wanted of what was asked in a slot. @returns whether the peer, which gave some or is at it, is to be told */
  takeBack(slot: AssetKey): boolean {
    const share = this.#shares.get(slot);
    if (!share) return false;
    this.#shares.delete(slot);
    this.#count -= share.count;
    this.#takenBack = Math.min(MAX_WAITING_NODES, this.#takenBack + share.count);
    return true;
  }
}
