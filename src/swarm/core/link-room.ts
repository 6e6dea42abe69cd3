import type { AssetSwarm } from './asset-swarm.ts';
import { YOUNG_MS } from './constants.ts';
import type { Core } from './core.ts';
import type { Dialling } from './dialling.ts';
import { canGive } from './membership.ts';
import type { Peer } from './peer.ts';

/** Links that a node has in the usual case, in degrees; and with those that are kept for downloads. */
const USUAL_DEGREES = 2;
const MOST_DEGREES = 3;

/**
 * Members that can give something, of each download, whose links do not count: those who take could otherwise occupy all,
 * and a download that begins then would find nobody. With four, one that is slow or gone does no harm.
 */
const KEPT_GIVERS = 4;

/** How many links there may be, whom there is room to dial for, and which link is one too many. */
export class LinkRoom {
  readonly #core: Core;
  readonly #dialling: Dialling;
  readonly #isContact: (peer: Peer, swarm: AssetSwarm) => boolean;

  /** @param isContact whether the peer is said to be in the swarm */
  constructor(core: Core, dialling: Dialling, isContact: (peer: Peer, swarm: AssetSwarm) => boolean) {
    this.#core = core;
    this.#dialling = dialling;
    this.#isContact = isContact;
  }

  /** There are as many links as usual, with those that are being made. */
  get isFull(): boolean {
    return this.#taken >= this.#usual;
  }

  /** Beyond what is usual only for a download: for a link that will be kept, or in place of one over which nothing can flow. */
  mayDial(swarm: AssetSwarm): boolean {
    if (!this.isFull) return true;
    if (swarm.wantedLeft === 0 || this.#taken >= MOST_DEGREES * this.#core.settings.degree) return false;
    return this.#lacksGivers(swarm) || this.#countUseless() > this.#taken - this.#usual;
  }

  /** The link to be closed next: one over which nothing can flow, else the newest, so that those that work stay. */
  surplus(): Peer | undefined {
    const { peers, settings } = this.#core;
    if (peers.size <= this.#usual) return undefined;
    for (const peer of peers.values()) if (this.isUseless(peer)) return peer;
    const kept = this.#kept();
    if (peers.size - kept.size > this.#usual) return this.#newest(kept);
    return peers.size > MOST_DEGREES * settings.degree ? this.#newest(new Set()) : undefined;
  }

  /** Nothing can flow over the link. */
  isUseless(peer: Peer): boolean {
    if (this.#isYoung(peer)) return false;
    for (const { swarm, have } of peer.memberships.values()) {
      if (have && !(have.isFull && swarm.have.isFull)) return false;
    }
    return true;
  }

  get #usual(): number {
    return USUAL_DEGREES * this.#core.settings.degree;
  }

  get #taken(): number {
    return this.#core.peers.size + this.#dialling.size;
  }

  #isYoung(peer: Peer): boolean {
    return this.#core.nowMs - peer.connectedAtMs < YOUNG_MS;
  }

  #countUseless(): number {
    let count = 0;
    for (const peer of this.#core.peers.values()) if (this.isUseless(peer)) count++;
    return count;
  }

  #newest(kept: ReadonlySet<Peer>): Peer | undefined {
    let newest: Peer | undefined;
    for (const peer of this.#core.peers.values()) {
      if (kept.has(peer)) continue;
      if (!newest || peer.connectedAtMs >= newest.connectedAtMs) newest = peer;
    }
    return newest;
  }

  #lacksGivers(swarm: AssetSwarm): boolean {
    const dials = this.#dialling.sizeFor(swarm.key);
    return (
      this.#isSmall(swarm) && this.#givers(swarm).length + this.#awaited(swarm).length + dials < KEPT_GIVERS
    );
  }

  /** Those whose links do not count. */
  #kept(): Set<Peer> {
    const kept = new Set<Peer>();
    for (const swarm of this.#core.assets.values()) {
      if (swarm.wantedLeft === 0 || !this.#isSmall(swarm)) continue;
      const givers = this.#givers(swarm);
      // Who has more of them can do without the newest.
      if (givers.length > KEPT_GIVERS) continue;
      const awaited = this.#awaited(swarm).slice(0, KEPT_GIVERS - givers.length);
      for (const peer of [...givers, ...awaited]) kept.add(peer);
    }
    return kept;
  }

  /** Where a swarm has its share of the links nothing needs to be kept for it. */
  #isSmall(swarm: AssetSwarm): boolean {
    return swarm.members.size < this.#core.settings.degree;
  }

  #givers(swarm: AssetSwarm): Peer[] {
    return [...swarm.members.values()].map(({ peer }) => peer).filter((peer) => canGive(peer, swarm));
  }

  /** Said to be in the swarm, and so new that they may still be joining, or getting something. */
  #awaited(swarm: AssetSwarm): Peer[] {
    return [...this.#core.peers.values()].filter(
      (peer) => this.#isYoung(peer) && this.#isContact(peer, swarm) && !canGive(peer, swarm),
    );
  }
}
