import type { ActiveAsset } from './asset-table.ts';
import type { PeerLink } from './peer-link.ts';
import type { ControlMessage } from './wire/control-message.ts';

type Grant = Extract<ControlMessage, { type: 'grant' }>;

/** Grants kept for each link: an honest peer sends no more than its look-ahead to somebody it knows nothing of. */
const MAX_HELD = 64;

/** What is opened to be downloaded is wished for at once; later than this it was opened for something else. */
const JUST_OPENED_MS = 1000;

/** So long for each root that was looked at in vain the link's roots are not looked at again: they may be thousands. */
const LOOK_AGAIN_MS = 1 / 64;

/** What {@link EarlyGrants} looks at. */
export interface EarlyGrantsHost {
  nowMs(): number;
  /** An asset that is active here, by root. */
  find(text: string): ActiveAsset | undefined;
  /** Whether nodes of the root are being fetched, or were a moment ago. */
  isNaming(text: string): boolean;
  /** Whether nodes of any root are. */
  readonly isNamingAny: boolean;
}

/**
 * Credit that came before anything is wished for: whoever is asked for a root's nodes grants at once, and the nodes take a
 * round trip more, and then comes the wish. To decline it would cost another round trip, and make the peer wait before
 * it grants again.
 */
export class EarlyGrants {
  readonly #host: EarlyGrantsHost;
  readonly #held = new WeakMap<PeerLink, { grant: Grant; atMs: number }[]>();
  /** Links of which nothing was about to be wanted, and when they are looked at again. */
  readonly #lookAtMs = new WeakMap<PeerLink, number>();
  /** When the last asset was opened of which nothing was wished for at once. */
  #openedAtMs = -Infinity;

  constructor(host: EarlyGrantsHost) {
    this.#host = host;
  }

  /** An asset was joined of which nothing is wanted yet. */
  opened(): void {
    this.#openedAtMs = this.#host.nowMs();
  }

  /** @returns false where nothing is about to be wanted of the peer, or it gave too many: it is a grant like others */
  hold(link: PeerLink, grant: Grant): boolean {
    const held = this.#held.get(link) ?? [];
    if (held.length >= MAX_HELD || !this.#isSoonWanted(link)) return false;
    held.push({ grant, atMs: this.#host.nowMs() });
    this.#held.set(link, held);
    return true;
  }

  /** What was held for the link and still is good, each with what is left of its lease; nothing while its time is to come. */
  release(link: PeerLink): Grant[] {
    const held = this.#held.get(link);
    if (!held || this.#isSoonWanted(link)) return [];
    this.#held.delete(link);
    const nowMs = this.#host.nowMs();
    return held
      .map(({ grant, atMs }) => ({ ...grant, leaseMs: Math.floor(grant.leaseMs - (nowMs - atMs)) }))
      .filter(({ leaseMs }) => leaseMs > 0);
  }

  /** Whether something of the first asset that is shared with the peer is about to be wanted. */
  #isSoonWanted(link: PeerLink): boolean {
    // Most grants come at other times, on links that may have thousands of roots.
    if (!this.#host.isNamingAny && !this.#isRecent(this.#openedAtMs)) return false;
    const nowMs = this.#host.nowMs();
    if (nowMs < (this.#lookAtMs.get(link) ?? -Infinity)) return false;
    let isSoon = false;
    let count = 0;
    for (const { text, hasLeft } of link.named.values()) {
      count++;
      if (hasLeft) continue;
      const asset = this.#host.find(text);
      isSoon = asset ? this.#isJustOpened(asset) : isSoon || this.#host.isNaming(text);
      if (asset && !isSoon) break;
    }
    if (!isSoon) this.#lookAtMs.set(link, nowMs + Math.floor(count * LOOK_AGAIN_MS));
    return isSoon;
  }

  #isJustOpened({ session, have, addedAtMs }: ActiveAsset): boolean {
    return session !== undefined && !session.hasWished && !have.isFull && this.#isRecent(addedAtMs);
  }

  #isRecent(atMs: number): boolean {
    return this.#host.nowMs() - atMs < JUST_OPENED_MS;
  }
}
